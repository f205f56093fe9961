// What is wrong with a page as it stands, one line each: "<check>: <what, where>". Run in the page.
() => {
  const found = [];
  const say = (check, what) => { if (found.length < 60) found.push(`${check}: ${what}`); };
  const named = (e) => {
    const at = e.closest("[id]");
    const text = (e.textContent || "").trim().replace(/\s+/g, " ").slice(0, 40);
    return `<${e.tagName.toLowerCase()}> "${text}"${at ? " in #" + at.id : ""}`;
  };
  const hiddenForEyes = (e) => Boolean(e.closest(".sr, .skip")) || !e.checkVisibility({visibilityProperty: true, opacityProperty: true});

  // -- colours ---------------------------------------------------------------------------------
  const channels = (css) => {
    const [r, g, b, a] = (css.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
    return [r, g, b, a === undefined ? 1 : a];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const ground = (e) => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) layers.push(channels(getComputedStyle(at).backgroundColor));
    const scheme = getComputedStyle(document.documentElement).colorScheme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18, 1] : [255, 255, 255, 1];
    return layers.reverse().reduce((below, top) => over(top, below), scheme);
  };
  const luminance = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, w, i) => {
    const v = c[i] / 255;
    return sum + w * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  }, 0);
  const contrast = (a, b) => {
    const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (light + 0.05) / (dark + 0.05);
  };

  // -- boxes: four corners each, so that what is turned is measured as it lies --------------------
  const corners = (r) => [[r.left, r.top], [r.right, r.top], [r.right, r.bottom], [r.left, r.bottom]];
  const turned = (text) => {
    const box = text.getBBox(), m = text.getScreenCTM(), dy = 0.12 * box.height / Math.max(1, text.querySelectorAll("tspan").length);
    return [[box.x, box.y + dy], [box.x + box.width, box.y + dy], [box.x + box.width, box.y + box.height - dy], [box.x, box.y + box.height - dy]]
      .map(([x, y]) => [m.a * x + m.c * y + m.e, m.b * x + m.d * y + m.f]);
  };
  const apart = (p, q) => {  // separating axes
    for (const shape of [p, q]) {
      for (let i = 0; i < 4; i++) {
        const [x1, y1] = shape[i], [x2, y2] = shape[(i + 1) % 4], nx = y2 - y1, ny = x1 - x2;
        const size = Math.hypot(nx, ny) || 1;
        const span = (s) => s.map(([x, y]) => (x * nx + y * ny) / size);
        const a = span(p), b = span(q);
        if (Math.max(...a) - 1 <= Math.min(...b) || Math.max(...b) - 1 <= Math.min(...a)) return true;
      }
    }
    return false;
  };
  const clipped = (rect, e) => {  // what of it can be seen without moving a box of its own
    let {left, right, top, bottom} = rect;
    for (let at = e.parentElement; at; at = at.parentElement) {
      if (getComputedStyle(at).overflowX === "visible") continue;
      const box = at.getBoundingClientRect();
      left = Math.max(left, box.left); right = Math.min(right, box.right);
      top = Math.max(top, box.top); bottom = Math.min(bottom, box.bottom);
    }
    return right - left > 2 && bottom - top > 2 ? {left, right, top, bottom} : null;
  };

  const shapes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seenContrast = new Set();
  const weigh = (e, colour, text) => {
    const style = getComputedStyle(e), size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const behind = ground(e.closest(":not(svg, svg *)"));
    const ratio = contrast(over(channels(colour), behind), behind);
    const key = `${colour}|${behind}`;
    if (ratio < (large ? 3 : 4.5) && !seenContrast.has(key)) {
      seenContrast.add(key);
      say("contrast", `${ratio.toFixed(2)} of ${named(e)}: ${colour} on ${behind.slice(0, 3).map(Math.round)}`);
    }
  };
  while (walker.nextNode()) {
    const node = walker.currentNode, e = node.parentElement;
    if (!node.data.trim() || /^(SCRIPT|STYLE|TITLE|NOSCRIPT)$/i.test(e.tagName) || hiddenForEyes(e)) continue;
    if (e.closest("svg")) continue;
    if (!e.matches(".swatch")) weigh(e, getComputedStyle(e).color, node.data);  // a drawn mark: below
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const rect of range.getClientRects()) {
      const box = clipped(rect, e);
      if (!box) continue;
      const inner = 0.18 * (box.bottom - box.top);  // the line's own leading
      shapes.push({e, corners: corners({...box, top: box.top + inner, bottom: box.bottom - inner}), ...box});
      if (box.right > innerWidth + 1 || box.left < -1) say("cut", `${named(e)} reaches out of the window`);
    }
  }
  for (const text of document.querySelectorAll("svg text")) {
    if (!text.textContent.trim() || hiddenForEyes(text) || text.closest(".rangeslider-container")) continue;
    const box = turned(text), xs = box.map((c) => c[0]), ys = box.map((c) => c[1]);
    shapes.push({e: text, corners: box, left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys)});
    weigh(text, getComputedStyle(text).fill, text.textContent);
    const svg = [...document.querySelectorAll("svg")].filter((s) => s.contains(text)).pop().getBoundingClientRect();
    if (Math.min(...xs) < svg.left - 1.5 || Math.max(...xs) > svg.right + 1.5 || Math.min(...ys) < svg.top - 1.5 || Math.max(...ys) > svg.bottom + 1.5) {
      say("cut", `${named(text)} reaches out of its figure`);
    }
  }
  shapes.sort((a, b) => a.top - b.top);
  for (let i = 0; i < shapes.length; i++) {
    for (let k = i + 1; k < shapes.length && shapes[k].top < shapes[i].bottom; k++) {
      const [a, b] = [shapes[i], shapes[k]];
      if (a.e === b.e || a.e.contains(b.e) || b.e.contains(a.e) || a.right <= b.left + 1 || b.right <= a.left + 1) continue;
      if (!apart(a.corners, b.corners)) say("overlap", `${named(a.e)} and ${named(b.e)}`);
    }
  }
  for (const e of document.querySelectorAll("body *")) {
    if (e.closest("svg") || hiddenForEyes(e)) continue;
    const style = getComputedStyle(e);
    if (/hidden|clip/.test(style.overflowX) && e.scrollWidth > e.clientWidth + 1) say("cut", `${named(e)} is wider than its box`);
    if (/auto|scroll/.test(style.overflowX) && e.scrollWidth > e.clientWidth + 1 && e.tabIndex < 0) {
      say("keyboard", `${named(e)} can be moved by a mouse only`);
    }
  }

  // -- the page as a whole --------------------------------------------------------------------------
  if (document.documentElement.scrollWidth > innerWidth) say("wide", `${document.documentElement.scrollWidth} of ${innerWidth} pixels`);
  if (!document.documentElement.lang) say("document", "no language");
  if (!document.title.trim()) say("document", "no title");
  for (const [what, selector] of [["main", "main"], ["header", "body > header"], ["footer", "body > footer"], ["h1", "h1"]]) {
    const count = document.querySelectorAll(selector).length;
    if (count !== 1) say("document", `${count} of ${what}, not one`);
  }
  for (const nav of document.querySelectorAll("nav")) if (!nav.getAttribute("aria-label")) say("document", "a nav without a label");
  let level = 0;
  for (const h of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    const now = Number(h.tagName[1]);
    if (now > level + 1) say("headings", `${named(h)} comes after h${level}`);
    level = now;
  }
  for (const link of document.querySelectorAll('a[href^="#"]')) {
    if (!document.getElementById(link.hash.slice(1))) say("document", `${named(link)} leads nowhere`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id).filter((id) => id);
  const outside = ids.filter((id, i) => ids.indexOf(id) !== i && !document.getElementById(id).closest("svg"));
  if (outside.length) say("document", `the same id twice: ${outside[0]}`);
  for (const table of document.querySelectorAll("table")) {
    if (!(table.caption && table.caption.textContent.trim())) say("caption", `${named(table)} has none`);
    if (!table.querySelector("th[scope=col]")) say("caption", `${named(table)} has no column heads`);
  }
  for (const plot of document.querySelectorAll("[data-figure], svg, img, [role=img]")) {
    if (plot.closest("[aria-hidden=true]") || plot.closest("svg") !== (plot.tagName === "svg" ? plot : null)) continue;
    if (!(plot.getAttribute("aria-label") || plot.getAttribute("alt"))) say("label", `${named(plot)} has none`);
  }
  for (const plot of document.querySelectorAll("[data-figure]")) {
    if (!plot.querySelector(".main-svg")) say("label", `${plot.id} was not drawn`);
  }
  for (const mark of document.querySelectorAll(".swatch")) {
    const colour = channels(getComputedStyle(mark).color);
    const ratio = contrast(colour, ground(mark.parentElement));
    if (colour[3] === 1 && ratio < 3) say("contrast", `${ratio.toFixed(2)} of the line of ${named(mark.parentElement)}`);
  }
  return found;
}
