"use strict";
// Joins switches, lists and tables to the charts. What a chart looks like is in its description, not here.
(() => {
  const page = JSON.parse(document.getElementById("data").textContent);
  const views = {};

  // Data: columns become rows; a column of texts is kept as its different texts and their numbers.

  const column = (held) => (Array.isArray(held) ? held : held.at.map((k) => held.of[k]));

  function rows(table) {
    const names = Object.keys(table), columns = names.map((name) => column(table[name]));
    return columns.length ? columns[0].map((_, k) => Object.fromEntries(names.map((name, c) => [name, columns[c][k]]))) : [];
  }

  const short = (value) => (typeof value === "number" ? String(Number(value.toPrecision(6))) : value ?? "none");

  // Charts

  const all = (within, selector) => [...within.querySelectorAll(selector)];
  const off = (figure) => all(figure, "input[data-switch]:not(:checked)").map((input) => input.dataset.switch);
  const isOn = (row, hidden) => !hidden.includes(row.iterate) && !hidden.includes(row.what);

  async function draw(figure) {
    const about = page.figures[figure.id];
    const variant = all(figure, "input[type=radio]:checked").map((input) => input.value).join(" ");
    const spec = structuredClone(about.variants[variant]);
    spec.datasets = Object.fromEntries(Object.entries(about.data).map(([name, table]) => [name, rows(table)]));
    const place = figure.querySelector(".chart");
    views[figure.id]?.finalize();
    const actions = { export: true, source: false, compiled: false, editor: false };
    const { view } = await vegaEmbed(place, spec, { renderer: "svg", actions, downloadFileName: figure.id });
    views[figure.id] = view;
    place.querySelector("svg.marks")?.setAttribute("aria-hidden", "true"); // its description and its table are beside it
    await tell(figure);
    figure.dataset.drawn = variant;
  }

  // Bring the parameters of a chart in line with its switches and lists.
  async function tell(figure) {
    const view = views[figure.id];
    if (figure.querySelector("input[data-switch]")) view.signal("off", off(figure));
    for (const list of all(figure, "select[data-parameter]")) view.signal(list.dataset.parameter, list.value);
    const slider = figure.querySelector("input[type=range]");
    if (slider) {
      view.signal("at", page.figures[figure.id].steps[slider.value]);
      showValues(figure, slider);
    }
    await view.runAsync();
  }

  // The values of all curves that are on, at one step: what the chart shows, in words and numbers.
  function showValues(figure, slider) {
    const about = page.figures[figure.id], step = about.steps[slider.value], hidden = off(figure);
    const points = rows(about.data.points).filter((row) => row.step === step);
    const segments = rows(about.data.segments ?? {}).filter((row) => row.first < step && step <= row.step);
    const named = new Set([...points, ...segments].map((row) => row.iterate)).size > 1;
    const body = figure.querySelector(".values tbody");
    body.replaceChildren(...[...points, ...segments].filter((row) => isOn(row, hidden)).map((row) => {
      const value = row.value ?? (row.n == null ? "none" : `not finite (${row.n - row.finite} of ${row.n} paths)`);
      const interval = row.low == null || row.high == null ? "none" : `${short(row.low)} to ${short(row.high)}`;
      const cells = [named ? `${row.iterate}: ${row.what}` : row.what, short(value), interval, row.n == null ? "exact" : `${row.finite} of ${row.n}`];
      const line = document.createElement("tr");
      line.append(...cells.map((text, k) => Object.assign(document.createElement(k ? "td" : "th"), { textContent: text })));
      line.firstChild.scope = "row";
      return line;
    }));
    slider.setAttribute("aria-valuetext", `step ${step}`);
    figure.querySelector(".at output").textContent = step;
  }

  // Text to the clipboard; where that is not allowed the text is selected, ready for Ctrl+C.
  async function copy(button) {
    const source = document.getElementById(button.dataset.copies), said = button.parentElement.querySelector("[role=status]");
    try {
      await navigator.clipboard.writeText(source.textContent);
      said.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(source);
      said.textContent = document.execCommand("copy") ? "Copied." : "Selected; press Ctrl+C.";
    }
  }

  document.addEventListener("input", (event) => {
    const figure = event.target.closest("figure[id]");
    if (figure && page.figures[figure.id]) event.target.type === "radio" ? draw(figure) : tell(figure);
  });
  document.addEventListener("click", (event) => {
    if (event.target.dataset.copies) copy(event.target);
  });
  const drawn = all(document, "figure[id]").filter((figure) => page.figures[figure.id]).map(draw);
  Promise.all(drawn).then(() => { document.documentElement.dataset.ready = "yes"; });
})();
