// A table wider than its box says so, and its box can be reached and moved by a keyboard.
function measure() {
  for (const box of document.querySelectorAll(".scroll")) {
    const wide = box.scrollWidth > box.clientWidth + 1;
    box.toggleAttribute("data-wide", wide);
    if (wide) box.tabIndex = 0; else box.removeAttribute("tabindex");
  }
}
measure();
addEventListener("resize", measure);
document.querySelectorAll("details").forEach((one) => one.addEventListener("toggle", measure));
