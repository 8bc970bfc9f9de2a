"use strict";
(() => {
  const $ = (selector, from = document) => [...from.querySelectorAll(selector)];
  const D = JSON.parse(document.getElementById("data").textContent);
  const NS = "http://www.w3.org/2000/svg";
  const DASHES = ["", "8 3", "2 2.5", "9 3 2 3"];
  const MARKS = {
    o: "M4 0A4 4 0 1 1 -4 0A4 4 0 1 1 4 0Z", s: "M-3.6 -3.6H3.6V3.6H-3.6Z",
    "^": "M0 -4.6L4.4 3.6H-4.4Z", D: "M0 -5L4.4 0L0 5L-4.4 0Z", v: "M0 4.6L4.4 -3.6H-4.4Z",
    P: "M-1.4 -4.4H1.4V-1.4H4.4V1.4H1.4V4.4H-1.4V1.4H-4.4V-1.4H-1.4Z",
    X: "M-4.2 -2.2L-2.2 -4.2L0 -2L2.2 -4.2L4.2 -2.2L2 0L4.2 2.2L2.2 4.2L0 2L-2.2 4.2L-4.2 2.2L-2 0Z",
    "<": "M-4.6 0L3.6 -4.4V4.4Z", ">": "M4.6 0L-3.6 -4.4V4.4Z", p: "M0 -4.8L4.6 -1.4L2.8 4H-2.8L-4.6 -1.4Z",
    "*": "M0 -5.4L1.4 -1.8L5.2 -1.6L2.2 .8L3.2 4.5L0 2.4L-3.2 4.5L-2.2 .8L-5.2 -1.6L-1.4 -1.8Z",
    h: "M0 -4.8L4.2 -2.4V2.4L0 4.8L-4.2 2.4V-2.4Z",
  };
  const on = D.strategies.map((_, s) => D.best.includes(s));
  let bands = D.strategies.length <= 8;
  const charts = [];

  function make(name, attributes = {}, parent = null, text = null) {
    const found = document.createElementNS(NS, name);
    for (const key in attributes) found.setAttribute(key, attributes[key]);
    if (text !== null) found.textContent = text;
    if (parent) parent.append(found);
    return found;
  }
  const colour = (s) => (D.looks[s].c < 0 ? "var(--k)" : `var(--c${D.looks[s].c})`);
  function mark(s, x, y, parent) {
    const hollow = D.looks[s].c < 0;
    make("path", { d: MARKS[D.looks[s].m], transform: `translate(${x} ${y})`, fill: hollow ? "var(--back)" : colour(s),
      stroke: hollow ? colour(s) : "var(--back)", "stroke-width": hollow ? 1.6 : 0.8 }, parent);
  }
  function swatch(s) {
    const svg = make("svg", { width: 32, height: 14, viewBox: "3 0 32 14", "aria-hidden": "true" });
    make("line", { x1: 1, x2: 37, y1: 7, y2: 7, stroke: colour(s), "stroke-width": 2, "stroke-dasharray": DASHES[D.looks[s].d] }, svg);
    mark(s, 19, 7, svg);
    return svg;
  }
  function ticks(low, high, most) {
    const raw = (high - low) / most || 1, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].map((x) => x * power).find((x) => x >= raw * 0.999);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step);
    return { found, decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + (Math.abs(step / power - 2.5) < 1e-9 ? 1 : 0)) };
  }
  const xs = (chart, line) => line.x || chart.x;

  class Chart {
    constructor(box, chart) {
      this.box = box; this.chart = chart; this.plot = box.querySelector(".plot");
      this.list = box.querySelector(".values"); this.where = box.querySelector(".where");
      this.live = box.querySelector(".live");
      this.budgets = [...new Set(chart.lines.flatMap((line) => xs(chart, line)))].sort((a, b) => a - b);
      this.at = this.budgets.length - 1; this.hot = -1;
      this.plot.addEventListener("pointermove", (event) => this.point(event));
      this.plot.addEventListener("pointerdown", (event) => this.point(event));
      this.plot.addEventListener("pointerleave", () => { this.hot = -1; this.show(); });
      this.plot.addEventListener("keydown", (event) => this.key(event));
      new ResizeObserver(() => { if (Math.abs(this.plot.clientWidth - (this.width || 0)) > 1) this.draw(); }).observe(this.plot);
      this.draw();
    }
    set(chart) {
      this.chart = chart;
      this.budgets = [...new Set(chart.lines.flatMap((line) => xs(chart, line)))].sort((a, b) => a - b);
      this.at = this.budgets.length - 1; this.hot = -1;
      this.draw();
    }
    visible() { return this.chart.lines.filter((line) => this.chart.all || on[line.s]); }
    edges(line, i) {
      const low = line.y[i] - line.d[i], high = line.y[i] + line.d[i];
      return this.chart.signed ? [low, high] : [Math.max(0, low), Math.min(1, high)];
    }
    text(y, d = null) {
      return (this.chart.signed && y > 0 ? "+" : "") + y.toFixed(4) + (d === null ? "" : ` ± ${d.toFixed(4)}`);
    }
    draw() {
      const width = Math.max(this.plot.clientWidth, 240), height = Math.max(220, Math.min(420, width * 0.62));
      this.width = this.plot.clientWidth;
      const lines = this.visible(), { full } = this.chart;
      const values = lines.flatMap((line) => line.y.flatMap((y, i) => (y === null ? [] : bands && line.d && line.d[i] !== null
        ? this.edges(line, i) : [y])));
      if (full !== null) values.push(full);
      let low = Math.min(...values), high = Math.max(...values);
      if (!values.length) { low = 0; high = 1; }
      const room = (high - low || 0.1) * 0.05; low -= room; high += room;
      const left = 62, right = width - 14, top = 12, bottom = height - 44;
      const first = this.budgets[0], last = this.budgets[this.budgets.length - 1], span = last - first || 1;
      this.x = (v) => +(left + 6 + ((v - first) / span) * (right - left - 12)).toFixed(1);
      this.y = (v) => +(bottom - ((v - low) / (high - low)) * (bottom - top)).toFixed(1);
      const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, height, "aria-hidden": "true" });
      const across = ticks(first, last, Math.max(3, width / 90)), up = ticks(low, high, Math.max(4, height / 55));
      for (const v of up.found) {
        make("line", { class: "grid", x1: left, x2: right, y1: this.y(v), y2: this.y(v) }, svg);
        make("text", { x: left - 7, y: this.y(v) + 4, "text-anchor": "end" }, svg, v.toFixed(up.decimals));
      }
      for (const v of across.found) {
        make("line", { class: "axis", x1: this.x(v), x2: this.x(v), y1: bottom, y2: bottom + 4 }, svg);
        make("text", { x: this.x(v), y: bottom + 18, "text-anchor": "middle" }, svg, v.toLocaleString("en", { maximumFractionDigits: across.decimals }));
      }
      make("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }, svg);
      make("text", { x: (left + right) / 2, y: height - 6, "text-anchor": "middle" }, svg, "Labeled images (count)");
      make("text", { transform: `translate(12 ${(top + bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, svg, this.chart.label);
      this.cross = make("line", { class: "cross", y1: top, y2: bottom }, svg);
      if (full !== null) {
        make("line", { class: "full", x1: left, x2: right, y1: this.y(full), y2: this.y(full) }, svg);
        make("text", { x: left + 8, y: this.y(full) + 15 }, svg, this.chart.signed ? `${D.baseline} (baseline)` : `Full (all labels) ${full}`);
      }
      this.groups = new Map();
      for (const line of [...lines].sort((a, b) => (D.looks[a.s].c < 0) - (D.looks[b.s].c < 0))) {
        const group = make("g", { "data-s": line.s, class: "series" }, svg), x = xs(this.chart, line);
        if (bands && line.d) {
          const known = x.map((_, i) => i).filter((i) => line.d[i] !== null && line.y[i] !== null);
          const upper = known.map((i) => `${this.x(x[i])},${this.y(this.edges(line, i)[1])}`);
          const lower = known.map((i) => `${this.x(x[i])},${this.y(this.edges(line, i)[0])}`).reverse();
          make("polygon", { class: "band", fill: colour(line.s), points: [...upper, ...lower].join(" ") }, group);
        }
        const places = x.map((v, i) => [v, line.y[i]]).filter(([, v]) => v !== null).map(([v, w]) => [this.x(v), this.y(w)]);
        make("polyline", { class: "line", stroke: colour(line.s), "stroke-dasharray": DASHES[D.looks[line.s].d], points: places.join(" ") }, group);
        const step = Math.max(1, Math.floor(places.length / 10));
        places.forEach(([px, py], i) => { if (i % step === line.s % step) mark(line.s, px, py, group); });
        this.groups.set(line.s, group);
      }
      this.plot.replaceChildren(svg);
      this.show();
    }
    ranked() {
      const x = this.budgets[this.at];
      return this.visible().map((line) => { const i = xs(this.chart, line).indexOf(x); return { s: line.s, y: i < 0 ? null : line.y[i], d: i < 0 || !line.d ? null : line.d[i] }; })
        .filter((item) => item.y !== null).sort((a, b) => b.y - a.y || a.s - b.s);
    }
    show() {
      const x = this.budgets[this.at], px = this.x(x);
      this.cross.setAttribute("x1", px); this.cross.setAttribute("x2", px);
      this.where.textContent = `At ${x.toLocaleString("en")} labeled images`;
      this.list.replaceChildren(...this.ranked().map((item) => {
        const row = document.createElement("li"), name = document.createElement("span"), value = document.createElement("b");
        if (item.s === this.hot) row.className = "hot";
        name.append(...D.strategies[item.s].split(/(?<=_)/).flatMap((part, i) => (i ? [document.createElement("wbr"), part] : [part])));
        value.textContent = this.text(item.y, item.d);
        row.append(swatch(item.s), name, value);
        return row;
      }));
      this.groups.forEach((group, s) => group.setAttribute("class", s === this.hot ? "series hot" : "series"));
    }
    point(event) {
      const frame = this.plot.getBoundingClientRect(), scale = Math.max(this.plot.clientWidth, 240) / frame.width;
      const px = (event.clientX - frame.left) * scale, py = (event.clientY - frame.top) * scale;
      let best = Infinity;
      this.budgets.forEach((v, i) => { const gap = Math.abs(this.x(v) - px); if (gap < best) { best = gap; this.at = i; } });
      const near = this.ranked().map((item) => [Math.abs(this.y(item.y) - py), item.s]).sort((a, b) => a[0] - b[0])[0];
      this.hot = near && near[0] < 24 ? near[1] : -1;
      this.show();
    }
    key(event) {
      const last = this.budgets.length - 1, order = this.ranked().map((item) => item.s), place = order.indexOf(this.hot);
      const moves = {
        ArrowLeft: () => { this.at = Math.max(0, this.at - 1); }, ArrowRight: () => { this.at = Math.min(last, this.at + 1); },
        Home: () => { this.at = 0; }, End: () => { this.at = last; },
        ArrowUp: () => { this.hot = order.length ? order[place < 0 ? order.length - 1 : Math.max(0, place - 1)] : -1; },
        ArrowDown: () => { this.hot = order.length ? order[place < 0 ? 0 : Math.min(order.length - 1, place + 1)] : -1; },
        Escape: () => { this.hot = -1; },
      };
      if (!moves[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      moves[event.key]();
      this.show();
      const chosen = this.ranked().filter((item) => this.hot < 0 || item.s === this.hot);
      this.live.textContent = `${this.where.textContent}: ${chosen.map((item) => `${D.strategies[item.s]} ${this.text(item.y)}`).join(", ")}`;
    }
  }

  function redraw() { charts.forEach((chart) => chart.draw()); }
  function switches() {
    const boxes = $("#picks input[data-s]");
    boxes.forEach((box) => {
      box.after(swatch(+box.dataset.s));
      box.addEventListener("change", () => { on[+box.dataset.s] = box.checked; redraw(); });
    });
    const set = (wanted) => { boxes.forEach((box) => { box.checked = on[+box.dataset.s] = wanted(+box.dataset.s); }); redraw(); };
    const choices = { all: () => true, none: () => false, best: (s) => D.best.includes(s) };
    $("button[data-pick]").forEach((button) => button.addEventListener("click", () => set(choices[button.dataset.pick])));
    const band = document.getElementById("bands");
    band.checked = bands;
    band.addEventListener("change", () => { bands = band.checked; redraw(); });
    boxes.forEach((box) => { box.checked = on[+box.dataset.s]; });
  }

  function sortKey(cell) {
    if (cell.dataset.k !== undefined) return +cell.dataset.k;
    const text = (cell.firstChild ? cell.firstChild.textContent : "").trim();
    if (text === "" || text === "n/a") return null;
    return /^-?\d+(\.\d+)?( ±.*)?$/.test(text) ? parseFloat(text) : text;
  }
  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
  }
  function sort(table, column, header) {
    const down = header.getAttribute("aria-sort") === "ascending";
    $("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [sortKey(row.cells[column]), row]);
    rows.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : down ? compare(b, a) : compare(a, b)));
    body.append(...rows.map(([, row]) => row));
  }
  function tables() {
    for (const table of $("table.sortable")) {
      $("thead th", table).forEach((header, column) => {
        const button = document.createElement("button");
        button.type = "button";
        button.append(...header.childNodes);
        header.append(button);
        button.addEventListener("click", () => sort(table, column, header));
      });
      if (table.tBodies[0].rows.length < 15) continue;
      const box = document.createElement("input");
      box.type = "search"; box.className = "filter";
      box.placeholder = "Show rows with …";
      box.setAttribute("aria-label", `Show only rows with this text: ${table.caption.textContent}`);
      box.addEventListener("input", () => {
        const wanted = box.value.trim().toLowerCase().split(/\s+/);
        for (const row of table.tBodies[0].rows) row.hidden = !wanted.every((word) => row.textContent.toLowerCase().includes(word));
      });
      table.parentElement.before(box);
    }
  }

  function heat(box) {
    const region = box.querySelector(".heat"), rows = [...region.querySelector("tbody").rows], said = box.querySelector(".said");
    const names = rows.map((row) => row.cells[0].textContent), kind = D[box.dataset.kind], pairs = kind && kind[box.dataset.task];
    let at = null;
    const say = (row, column) => {
      $(".at", region).forEach((cell) => cell.classList.remove("at"));
      at = [row, column];
      const cell = rows[row].cells[column + 1];
      cell.classList.add("at");
      let text = `${names[row]} and ${names[column]}: ${cell.textContent}`;
      if (row === column) text = names[row];
      else if (pairs) {
        const a = D.strategies.indexOf(names[row]), b = D.strategies.indexOf(names[column]);
        const pair = pairs.find((item) => (item[0] === a && item[1] === b) || (item[0] === b && item[1] === a));
        const back = pair && pair[0] === b, n = (v, f) => (v === null ? "n/a" : v.toFixed(f));
        if (pair) {
          const [, , difference, p, low, high] = pair, m = (v) => (v === null ? v : back ? -v : v);
          text = `${names[row]} minus ${names[column]}: ${n(m(difference), 4)}, interval ${n(m(back ? high : low), 4)} to ${n(m(back ? low : high), 4)}, `
            + (p !== null && p < 0.0001 ? "p < 0.0001" : `p = ${n(p, 4)}`) + (p !== null && p < D.alpha ? " (significant)" : "");
        }
      }
      said.textContent = text;
    };
    region.addEventListener("pointerover", (event) => {
      const cell = event.target.closest("tbody td");
      if (cell) say(cell.parentElement.sectionRowIndex, cell.cellIndex - 1);
    });
    region.addEventListener("click", (event) => {
      const cell = event.target.closest("tbody td");
      if (cell) say(cell.parentElement.sectionRowIndex, cell.cellIndex - 1);
    });
    region.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      const clip = (v) => Math.min(Math.max(v, 0), names.length - 1);
      if (at === null) say(0, 0); else say(clip(at[0] + step[0]), clip(at[1] + step[1]));
      rows[at[0]].cells[at[1] + 1].scrollIntoView({ block: "nearest", inline: "nearest" });
    });
  }

  function runs() {
    const box = document.getElementById("run"), pick = ["task", "strategy", "seed"].map((name) => document.getElementById(`run-${name}`));
    const plot = document.getElementById("run-chart"), about = document.getElementById("run-about");
    const all = {};
    for (const task in D.runs) {
      let counts = [];
      all[task] = D.runs[task].map(([s, seed, y, x]) => ({ s, seed, y: y.map((v) => v / 1e4), x: (counts = x || counts) }));
    }
    const fill = (select, values, kept) => {
      select.replaceChildren(...values.map((value) => { const item = document.createElement("option"); item.textContent = value; return item; }));
      if (values.includes(kept)) select.value = kept;
    };
    const line = (tag, text) => { const item = document.createElement(tag); item.textContent = text; return item; };
    let chart = null;
    const show = () => {
      const own = all[pick[0].value];
      fill(pick[1], [...new Set(own.map((run) => D.strategies[run.s]))], pick[1].value);
      const s = D.strategies.indexOf(pick[1].value);
      fill(pick[2], own.filter((run) => run.s === s).map((run) => String(run.seed)), pick[2].value);
      const seed = +pick[2].value, run = own.find((item) => item.s === s && item.seed === seed);
      const base = own.find((item) => D.strategies[item.s] === D.baseline && item.seed === seed);
      const lines = [run, ...(base && base !== run ? [base] : [])].map(({ s, x, y }) => ({ s, x, y }));
      const spec = { label: "Test accuracy (fraction correct)", x: [], full: null, lines, all: true };
      if (chart) { chart.set(spec); } else { chart = new Chart(plot, spec); }
      const name = `${pick[0].value}/${pick[1].value}/seed-${seed}`, files = document.createElement("ul");
      for (const path of [`rounds/${name}/`, `../splits/${name}/`]) {
        const link = line("a", path), item = document.createElement("li");
        link.href = path.split("/").map(encodeURIComponent).join("/");
        item.append(link); files.append(item);
      }
      const row = $("#table-fingerprints tbody tr").find((item) => [...item.cells].slice(0, 3).map((cell) => cell.textContent).join("/") === `${pick[0].value}/${pick[1].value}/${seed}`);
      const strip = $("#first .strip").find((item) => item.dataset.run === name);
      about.replaceChildren(line("h4", name), line("p", `Fingerprint: ${row ? row.cells[3].textContent : "see fingerprints.csv"}`),
        line("p", "Results and index sets beside this page, round by round:"), files, ...(strip ? [line("p", "Chosen first:"), strip.cloneNode(true)] : []));
    };
    box.hidden = false;
    fill(pick[0], Object.keys(all));
    pick.forEach((select) => select.addEventListener("change", show));
    const details = box.closest("details");
    details.addEventListener("toggle", () => { if (details.open && !chart) show(); });
    if (details.open) show();
  }

  function theme() {
    const button = document.getElementById("theme"), modes = ["auto", "light", "dark"];
    let mode = "auto";
    try { mode = localStorage.getItem("aledger-theme") || "auto"; } catch { /* storage may be closed */ }
    const apply = () => {
      if (mode === "auto") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = mode;
      button.textContent = `Theme: ${mode}`;
      try { localStorage.setItem("aledger-theme", mode); } catch { /* then it lasts for this visit */ }
    };
    button.hidden = false;
    button.addEventListener("click", () => { mode = modes[(modes.indexOf(mode) + 1) % 3]; apply(); });
    apply();
  }
  function copying() {
    for (const button of $("button[data-copy]")) {
      const source = document.getElementById(button.dataset.copy);
      button.hidden = false;
      button.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(source.textContent);
          button.textContent = "Copied";
        } catch {
          getSelection().selectAllChildren(source);
          button.textContent = "Selected: press Ctrl+C";
        }
      });
    }
  }
  function printing() {
    let opened = [];
    addEventListener("beforeprint", () => { opened = $("details[data-short]:not([open]), details.question:not([open])"); opened.forEach((item) => { item.open = true; }); });
    addEventListener("afterprint", () => opened.forEach((item) => { item.open = false; }));
  }

  theme(); copying(); printing(); tables();
  if (document.getElementById("picks")) {
    document.getElementById("picks").hidden = false;
    switches();
    $(".chart[data-chart]").forEach((box) => { box.hidden = false; charts.push(new Chart(box, D.charts[+box.dataset.chart])); });
  }
  $(".heatbox").forEach(heat);
  if (document.getElementById("run")) runs();
  document.documentElement.dataset.ready = "yes";
})();
