// Browsers start no Worker for a page that is opened from a folder. There the search runs in a hidden frame instead.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      frame.title = "search"
      document.body.append(frame)
      const inside = (this.inside = frame.contentWindow)
      const load = source =>
        new Promise((resolve, reject) => {
          const script = inside.document.createElement("script")
          script.src = source
          script.onload = resolve
          script.onerror = reject
          inside.document.body.append(script)
        })
      inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
      inside.importScripts = (...sources) => sources.reduce((last, one) => last.then(() => load(one)), Promise.resolve())
      this.ready = load(url)
    }
    postMessage(data) {
      // One after the other, each as a task of its own, as a Worker gets them.
      const deliver = () => this.inside.dispatchEvent(new MessageEvent("message", { data }))
      this.ready = this.ready.then(() => new Promise(resolve => setTimeout(() => resolve(deliver()))))
    }
    terminate() {}
  }
}
