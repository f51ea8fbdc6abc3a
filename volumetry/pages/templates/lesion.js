"use strict";
// Better with it: one slice at a time, by slider and arrow keys; without it all slices are side by side.
let active = null;
for (const visit of document.querySelectorAll("section.visit")) {
  const figures = [...visit.querySelectorAll("figure[data-slice]")];
  if (figures.length < 2) continue;
  const pictures = visit.querySelector(".pictures");
  const tools = document.createElement("div");
  tools.className = "tools";
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = 0;
  slider.max = figures.length - 1;
  slider.value = figures.length >> 1;
  slider.setAttribute("aria-label", "slice");
  const all = document.createElement("button");
  all.type = "button";
  const hint = document.createElement("span");
  hint.className = "note";
  hint.textContent = "arrow keys: previous and next slice";
  tools.append(slider, all, hint);
  pictures.before(tools);
  const show = () => {
    figures.forEach((figure, place) => figure.classList.toggle("now", place === Number(slider.value)));
    const index = figures[slider.value].dataset.slice;
    for (const row of visit.querySelectorAll("tr[data-slice]")) {
      row.classList.toggle("now", row.dataset.slice === index);
    }
  };
  const one = (only) => {
    visit.classList.toggle("one", only);
    all.textContent = only ? "all slices" : "one slice";
  };
  const viewer = {
    step(by) {
      slider.value = Number(slider.value) + by;
      one(true);
      show();
    },
  };
  slider.addEventListener("input", () => viewer.step(0));
  all.addEventListener("click", () => one(!visit.classList.contains("one")));
  visit.addEventListener("pointerenter", () => { active = viewer; });
  visit.addEventListener("focusin", () => { active = viewer; });
  one(true);
  show();
  active = active || viewer;
}
document.addEventListener("keydown", (event) => {
  if (!active || event.target.type === "range" || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    active.step(event.key === "ArrowLeft" ? -1 : 1);
    event.preventDefault();
  }
});
