"use strict";
// Joins switches, lists and tables to the charts. What a chart looks like is in its description, not here.
(() => {
  const page = JSON.parse(document.getElementById("data").textContent);
  const views = {};
  const all = (within, selector) => [...within.querySelectorAll(selector)];
  const make = (name, properties, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };

  // Data: columns become rows. One that is the same everywhere is kept as its value, one of texts as these and their numbers.

  const column = (held) => (Array.isArray(held) ? held : held.of ? held.at.map((k) => held.of[k]) : Array(held.count).fill(held.same));

  function rows(table) {
    const names = Object.keys(table), columns = names.map((name) => column(table[name]));
    return columns.length ? columns[0].map((_, k) => Object.fromEntries(names.map((name, c) => [name, columns[c][k]]))) : [];
  }

  // To be read alone: a chart gets rows of its own, to which it adds.
  const known = {};
  const read = (name) => (name ? (known[name] ??= rows(page.tables[name])) : []);

  const isPlain = (size) => size === 0 || (size >= 1e-4 && size < 1e9);
  const six = (value) => (!isPlain(Math.abs(value)) ? value.toExponential(5).replace(/\.?0+e/, "e") : String(Number(value.toPrecision(6))));
  const short = (value) => (typeof value === "number" ? six(value) : value ?? "none");

  // Charts

  const off = (figure) => all(figure, "input[data-switch]:not(:checked)").map((input) => input.dataset.switch);
  const isOn = (row, hidden) => !hidden.includes(row.iterate) && !hidden.includes(row.what);
  const prepare = {}; // by figure: what to do with its description before it is drawn

  async function draw(figure) {
    const about = page.figures[figure.id];
    const variant = all(figure, "input[type=radio]:checked, select[data-variant]").map((input) => input.value).join(" ");
    const spec = structuredClone(about.variants[variant]);
    spec.datasets = Object.fromEntries(Object.entries(about.data).map(([name, table]) => [name, rows(page.tables[table])]));
    prepare[figure.id]?.(spec, variant);
    views[figure.id]?.finalize();
    const actions = { export: true, source: false, compiled: false, editor: false };
    // Errors alone are logged: a chart whose curves are all switched off has no extent, which is no fault.
    const options = { renderer: "svg", actions, downloadFileName: figure.id, logLevel: 1 };
    const place = figure.querySelector(".chart");
    const { view } = await vegaEmbed(place, spec, options);
    views[figure.id] = view;
    view.addEventListener("click", (event, item) => item?.datum?.cell && choose(item.datum.cell));
    // To a screen reader it is one picture: what it shows stands in words above it and in the table below.
    const svg = place.querySelector("svg.marks");
    svg.removeAttribute("aria-roledescription");
    for (const [name, value] of [["role", "img"], ["aria-labelledby", `${figure.id}-title`], ["aria-describedby", `${figure.id}-about`]]) svg.setAttribute(name, value);
    await tell(figure);
    figure.dataset.drawn = variant;
  }

  // Bring the parameters of a chart in line with its switches and lists.
  async function tell(figure) {
    const view = views[figure.id];
    if (!view) return;
    if (figure.querySelector("input[data-switch]")) view.signal("off", off(figure));
    for (const list of all(figure, "select[data-parameter]")) view.signal(list.dataset.parameter, list.value);
    if (page.sweep && figure.id !== "cell") view.signal("cell", chosen ?? "");
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
    const lists = all(figure, "select[data-parameter]").map((list) => [list.dataset.parameter, list.value]);
    const isShown = (row) => lists.every(([name, value]) => row[name] === value) && isOn(row, hidden);
    // Curves of other runs may have other steps: each has its last one up to the chosen one.
    const latest = new Map();
    for (const row of read(about.data.points)) if (row.step <= step && isShown(row)) latest.set(`${row.iterate}\n${row.what}`, row);
    const segments = read(about.data.segments).filter((row) => row.first < step && step <= row.step);
    const shown = [...latest.values(), ...segments.filter(isShown)];
    const name = (row) => (named ? `${row.iterate}: ` : "") + row.what + (row.first == null && row.step < step ? ` (step ${row.step})` : "");
    const named = new Set(shown.map((row) => row.iterate)).size > 1;
    figure.querySelector(".values tbody").replaceChildren(...shown.map((row) => {
      const value = row.value ?? (row.n == null ? "none" : `not finite (${row.n - row.finite} of ${row.n} paths)`);
      const interval = row.low == null || row.high == null ? "none" : `${short(row.low)} to ${short(row.high)}`;
      const cells = [short(value), interval, row.n == null ? "exact" : `${row.finite} of ${row.n}`];
      return make("tr", {}, make("th", { scope: "row", textContent: name(row) }), ...cells.map((textContent) => make("td", { textContent })));
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

  // Tables that sort and filter. lines: [texts, id]; each becomes a row when it is shown.

  const MOST_LINES = 1000;

  function sortable(table, header, lines, toRow, said, search) {
    let by = -1, down = false;
    const heads = header.map((name, k) => {
      const button = make("button", { type: "button", textContent: name });
      button.addEventListener("click", () => { down = by === k && !down; by = k; show(); });
      return make("th", { scope: "col" }, button);
    });
    table.tHead.replaceChildren(make("tr", {}, ...heads));

    function show() {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const kept = lines.filter(([texts]) => words.every((word) => texts.join("\n").toLowerCase().includes(word)));
      if (by >= 0) kept.sort(([a], [b]) => compare(a[by], b[by]) * (down ? -1 : 1));
      heads.forEach((head, k) => (k === by ? head.setAttribute("aria-sort", down ? "descending" : "ascending") : head.removeAttribute("aria-sort")));
      table.tBodies[0].replaceChildren(...kept.slice(0, MOST_LINES).map(toRow));
      said.textContent = `${kept.length} of ${lines.length}` + (kept.length > MOST_LINES ? `; the first ${MOST_LINES} are shown` : "");
    }
    search.addEventListener("input", show);
    show();
  }

  // Numbers by size, whatever stands behind them; then texts. What is no number is last.
  function compare(a, b) {
    const x = parseFloat(a), y = parseFloat(b);
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y) || a.localeCompare(b);
    return x - y;
  }

  // A sweep: a cell is chosen on the map, by its curve, in the table or in the list, and shown in all of them.

  let chosen = null;
  const sweep = page.sweep, cells = sweep ? rows(sweep.cells) : [];
  const byId = new Map(cells.map((cell) => [cell.cell, cell]));

  prepare.map = (spec, colour) => {
    const [x, y] = ["map-x", "map-y"].map((id) => sweep.keys.find((key) => key.name === document.getElementById(id).value));
    const fixed = all(document, "[data-fixes]").filter((label) => {
      label.hidden = [x, y].some((key) => key?.name === label.dataset.fixes);
      return !label.hidden;
    }).map((label) => [label.dataset.fixes, label.querySelector("select").value]);
    spec.datasets.cells = cells.filter((cell) => fixed.every(([name, value]) => cell[name] === value)).map((cell) => ({
      ...cell, x: cell[x.name], y: y ? cell[y.name] : "", colour: cell[colour], sign: cell[`${colour}_sign`],
      shown: cell[`${colour}_sign`] || short(cell[colour]), interval: cell[`${colour}_interval`],
    }));
    Object.assign(spec.encoding.x, { title: x.label, sort: x.values });
    Object.assign(spec.encoding.y, { title: y?.label ?? null, sort: [...(y?.values ?? [])].reverse() });
  };

  prepare.cells = (spec) => {
    for (const row of spec.datasets.points) Object.assign(row, { text: byId.get(row.cell).text, verdict: byId.get(row.cell).verdict });
  };

  function choose(id, links = true) {
    chosen = id;
    const cell = byId.get(id);
    document.getElementById("chosen").className = `verdict ${cell.verdict.replaceAll(" ", "_")}`;
    const texts = sweep.rows[cells.indexOf(cell)];
    const numbers = sweep.header.map((name, k) => `${name}: ${texts[k]}`).filter((_, k) => texts[k]).join(", ");
    document.getElementById("chosen-text").replaceChildren(
      make("p", {}, make("strong", { textContent: `${cell.text}: ${cell.verdict}` })),
      make("p", { textContent: cell.reason }), make("p", { textContent: numbers }),
      make("p", { className: "muted", textContent: `All of it: nonconv report FOLDER#${id}` }));
    for (const row of all(document, "#cells-table tbody tr")) row.classList.toggle("chosen", row.dataset.cell === id);
    const figure = document.getElementById("cell"), list = figure?.querySelector("select[data-parameter=cell]");
    if (list) list.value = id;
    for (const name of ["map", "cells", "cell"]) if (page.figures[name]) tell(document.getElementById(name));
    if (links) history.replaceState(null, "", `#cell=${id}`);
  }

  function cellRow([texts, id]) {
    const button = make("button", { type: "button", textContent: texts[0] || "none" });
    button.setAttribute("aria-label", `Choose the cell ${byId.get(id).text}`);
    button.addEventListener("click", () => choose(id));
    const row = make("tr", { className: id === chosen ? "chosen" : "" }, make("th", { scope: "row" }, button), ...texts.slice(1).map((textContent) => make("td", { textContent })));
    row.dataset.cell = id;
    return row;
  }

  // A folder of claims: rows of the matrix and the articles below it are hidden together.

  function filterClaims(controls) {
    const value = (name) => controls.querySelector(`[data-${name}]`)?.value ?? "";
    const words = value("words").toLowerCase().split(/\s+/).filter(Boolean), topic = value("topic"), status = value("status");
    let shown = 0;
    for (const row of all(document, "tr[data-claim]")) {
      const article = document.getElementById(`claim-${row.dataset.claim}`);
      const text = `${row.textContent} ${article.textContent}`.toLowerCase();
      const fits = words.every((word) => text.includes(word)) && (!topic || row.dataset.topic === topic) && (!status || row.dataset.status === status);
      row.hidden = article.hidden = !fits;
      shown += fits;
    }
    controls.querySelector("[role=status]").textContent = `${shown} of ${all(document, "tr[data-claim]").length}`;
  }

  // Beginning

  document.addEventListener("input", (event) => {
    const figure = event.target.closest("figure[id]"), controls = event.target.closest("#claims-filter"), { type, dataset } = event.target;
    if (controls) filterClaims(controls);
    if (!figure || !page.figures[figure.id]) return;
    if (dataset.parameter === "cell") choose(event.target.value);
    else if (type === "radio" || "variant" in dataset || "redraws" in dataset) draw(figure);
    else tell(figure);
  });
  document.addEventListener("click", (event) => {
    if (event.target.dataset.copies) copy(event.target);
  });
  if (sweep) {
    const [table, said, search] = ["cells-table", "filter-count", "filter"].map((id) => document.getElementById(id));
    sortable(table, sweep.header, sweep.rows.map((texts, k) => [texts, cells[k].cell]), cellRow, said, search);
  }
  const drawn = all(document, "figure[id]").filter((figure) => page.figures[figure.id]).map(draw);
  Promise.all(drawn).then(() => {
    const linked = new URLSearchParams(location.hash.slice(1)).get("cell");
    if (sweep) choose(byId.has(linked) ? linked : cells[0].cell, false);
    document.documentElement.dataset.ready = "yes";
  });
})();
