// Draws the figures of a page: unpacks them, colours them as the page is, and writes their legends.
const UNSAFE = [0, 13, 60];

async function unpacked(id) {
  const place = document.getElementById(id), letters = place.textContent;
  const bytes = new Uint8Array(Number(place.dataset.size));
  let bits = 0, held = 0, n = 0;
  const take = (seven) => {
    bits = ((bits << 7) | seven) & 0xffff;
    held += 7;
    if (held >= 8 && n < bytes.length) { held -= 8; bytes[n++] = (bits >> held) & 0xff; }
  };
  for (let i = 0; i < letters.length; i++) {
    const code = letters.charCodeAt(i);
    if (code < 0x80) take(code);
    else { take(UNSAFE[(code >> 7) - 1]); take(code & 0x7f); }
  }
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const CONFIG = {responsive: true, displayModeBar: false, displaylogo: false, plotlyServerURL: ""};
const PAPER_WIDTH = 680;  // pixels, of A4 within its margins
const LETTER = 6.6;  // pixels, on average, of the axes' titles
const hidden = new Map();  // place -> names a person has switched off
let texts = {}, drawing = Promise.resolve();

function coloured(text, night) {
  if (!night) return text;
  return text.replace(/#[0-9a-f]{6}|rgba\(\d+,\d+,\d+/g, (c) => DARK[c] || c);
}

function wrapped(text, letters) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines[lines.length - 1];
    if (line && line.length + word.length >= letters) lines.push(word);
    else lines[lines.length - 1] = line ? line + " " + word : word;
  }
  return lines.join("<br>");
}

// What a keyboard cannot zoom, a mouse does not either: nothing of it is hidden.
function hold(layout) {
  for (const [name, axis] of Object.entries(layout)) if (/^[xy]axis/.test(name)) axis.fixedrange = true;
  layout.dragmode = false;
}

// Titles in as many lines as they need to be whole; names at an axis no wider than a third.
function fitted(layout, data, width) {
  for (const [name, axis] of Object.entries(layout)) {
    if (!/^[xy]axis/.test(name)) continue;
    const across = name[0] === "x", [from, to] = axis.domain || [0, 1];
    const room = (across ? width - 70 : layout.height - 50) * (to - from);
    if (axis.title && axis.title.text) axis.title.text = wrapped(axis.title.text, room / LETTER);
  }
  const names = new Set(data.filter((t) => t.orientation === "h" || NAMED.test(typeof (t.y || [])[0]))
    .flatMap((t) => t.y || []).filter((y) => typeof y === "string"));
  const most = Math.max(16, Math.floor(width / 3 / LETTER));
  if ([...names].some((y) => y.length > most) && layout.yaxis) {
    const lines = [...names].map((y) => wrapped(y, most));
    Object.assign(layout.yaxis, {tickmode: "array", tickvals: [...names], ticktext: lines});
    const deepest = Math.max(...lines.map((l) => l.split("<br>").length));
    layout.height = Math.max(layout.height, 70 + names.size * (8 + 15 * deepest));
  }
}
const NAMED = /string/;

function swatch(trace) {
  const mark = document.createElement("span"), markers = trace.mode === "markers";
  const colour = (trace.line && trace.line.color) || (trace.marker && trace.marker.color) || "";
  const symbol = {"triangle-up": "▲", "triangle-down": "▼", "x-thin": "✕"}[(trace.marker || {}).symbol];
  mark.className = "swatch" + (symbol ? "" : trace.fill === "toself" ? " area" : trace.type === "bar" ? " box"
    : markers ? " point" : " " + ((trace.line || {}).dash || "solid"));
  mark.style.color = trace.fill === "toself" ? trace.fillcolor : colour;
  mark.textContent = symbol || "";
  mark.setAttribute("aria-hidden", "true");
  return mark;
}

function legend(place, figure, shown) {
  const list = place.parentElement.querySelector(".legend");
  const off = hidden.get(place) || new Set();
  list.replaceChildren();
  if (!shown) return;
  figure.data.forEach((trace) => {
    if (!trace.name || trace.showlegend === false) return;
    const key = trace.legendgroup || trace.name;
    const same = figure.data.flatMap((t, i) => (t.legendgroup || t.name) === key ? [i] : []);
    const button = document.createElement("button"), item = document.createElement("li");
    button.type = "button";
    button.append(swatch(trace), trace.name);
    button.setAttribute("aria-pressed", String(!off.has(key)));
    button.addEventListener("click", () => {
      const show = off.has(key);
      if (show) off.delete(key); else off.add(key);
      hidden.set(place, off);
      button.setAttribute("aria-pressed", String(show));
      Plotly.restyle(place, {visible: show}, same);
    });
    item.append(button);
    list.append(item);
  });
  figure.data.forEach((t) => { if (off.has(t.legendgroup || t.name)) t.visible = false; });
}

// What a mouse does by dragging, for a keyboard: arrows move, plus and minus zoom, 0 shows all.
function steer(place, event) {
  const axis = place._fullLayout && place._fullLayout.xaxis;
  if (!axis || axis.type !== "date") return;
  const [from, to] = axis.range.map((t) => axis.r2l(t)), wide = to - from;
  const moved = {ArrowLeft: [-0.2, -0.2], ArrowRight: [0.2, 0.2], "+": [0.2, -0.2], "=": [0.2, -0.2],
    "-": [-1 / 3, 1 / 3]}[event.key];
  if (event.key === "0") Plotly.relayout(place, {"xaxis.autorange": true});
  else if (moved) {
    Plotly.relayout(place, {"xaxis.range": [axis.l2r(from + moved[0] * wide), axis.l2r(to + moved[1] * wide)]});
  } else return;
  event.preventDefault();
}

// A figure with frames has a slider: it shows the frame it stands at, whose name says it in words.
async function scrub(place, frames) {
  const slider = document.querySelector(`[data-scrub="${place.dataset.figure}"]`), last = frames.length - 1;
  const first = !slider.oninput;
  slider.max = last;
  if (first) slider.value = last;
  slider.oninput = () => {
    const frame = frames[Number(slider.value)];
    slider.setAttribute("aria-valuetext", frame.name);
    slider.parentElement.querySelector("output").textContent = frame.name;
    return Plotly.restyle(place, {x: frame.data.map((t) => t.x), y: frame.data.map((t) => t.y)});
  };
  await slider.oninput();
}

// One drawing at a time, the last asked for last.
function draw(night) {
  return drawing = drawing.then(() => drawn(night));
}

function drawn(night, width) {
  return Promise.all([...document.querySelectorAll("[data-figure]")].map((place) => drawnAt(place, night, width)));
}

async function drawnAt(place, night, width) {
  const figure = JSON.parse(coloured(JSON.stringify(texts[place.dataset.figure]), night));
  const shown = figure.layout.showlegend !== false;
  figure.layout.showlegend = false;
  if (!place.hasAttribute("tabindex")) hold(figure.layout);
  fitted(figure.layout, figure.data, width || place.clientWidth);
  if (width) figure.layout.width = width;
  legend(place, figure, shown);
  place.style.height = figure.layout.height + "px";
  await Plotly.react(place, figure.data, figure.layout, CONFIG);
  if (figure.frames) await scrub(place, figure.frames);
  document.querySelectorAll("svg").forEach((svg) => svg.setAttribute("aria-hidden", "true"));
}

async function start() {
  const code = document.createElement("script");
  code.textContent = await unpacked("plotly-packed");
  document.head.append(code);
  texts = JSON.parse(await unpacked("figures-packed"));
  await draw(dark.matches);
  for (const place of document.querySelectorAll("[data-figure]")) {
    place.addEventListener("keydown", (event) => steer(place, event));
  }
  let width = innerWidth;
  dark.addEventListener("change", () => draw(dark.matches));
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; draw(dark.matches); } });
  addEventListener("beforeprint", () => { drawing = drawn(false, PAPER_WIDTH); });
  addEventListener("afterprint", () => draw(dark.matches));
  document.documentElement.dataset.drawn = "yes";
}

start().catch((error) => {
  document.documentElement.dataset.drawn = "no";
  document.querySelectorAll("[data-figure]").forEach((place) => {
    place.textContent = "Not drawn: this needs a browser of 2023 or later. The numbers are in report.json, beside this page.";
  });
  console.error(error);
});
