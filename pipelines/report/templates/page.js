"use strict";
const root = document.documentElement;
const tip = document.getElementById("tip");

const theme = document.getElementById("theme");
const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
const showTheme = () => { theme.textContent = isDark() ? "Light theme" : "Dark theme"; theme.setAttribute("aria-pressed", String(isDark())); };
theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; showTheme(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
showTheme();

function place(words, x, y) {
  tip.textContent = words;
  tip.hidden = false;
  tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - tip.offsetWidth - 8)) + "px";
  tip.style.top = (y + 18 + tip.offsetHeight > innerHeight ? y - tip.offsetHeight - 8 : y + 18) + "px";
}
const hide = () => { tip.hidden = true; };
addEventListener("keydown", event => { if (event.key === "Escape") hide(); });
for (const drawing of document.querySelectorAll("[data-tip]")) {
  drawing.addEventListener("mousemove", event => place(drawing.dataset.tip, event.clientX, event.clientY));
  drawing.addEventListener("mouseleave", hide);
}

// A curve's cursor: the nearest point under the mouse, or the next one by arrow key.
for (const svg of document.querySelectorAll("svg.curve[data-points]")) {
  const points = JSON.parse(svg.dataset.points), cursor = svg.querySelector(".cursor");
  let current = 0;
  const show = index => {
    current = Math.max(0, Math.min(points.length - 1, index));
    const [x, y, words] = points[current];
    cursor.removeAttribute("hidden");
    cursor.querySelector("line").setAttribute("transform", `translate(${x} 0)`);
    cursor.querySelector("circle").setAttribute("transform", `translate(${x} ${y})`);
    const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
    place(words, box.left + x * scale, box.top + y * scale);
  };
  const leave = () => { cursor.setAttribute("hidden", ""); hide(); };
  svg.addEventListener("mousemove", event => {
    const box = svg.getBoundingClientRect(), x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
    show(points.reduce((best, point, index) => Math.abs(point[0] - x) < Math.abs(points[best][0] - x) ? index : best, 0));
  });
  svg.addEventListener("mouseleave", leave);
  svg.addEventListener("blur", leave);
  svg.addEventListener("keydown", event => {
    const goal = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: points.length - 1 }[event.key];
    if (goal !== undefined) { event.preventDefault(); show(goal); }
  });
}

const keyOf = cell => {
  if (!("value" in cell.dataset)) return cell.textContent.trim();
  return cell.dataset.value === "None" ? null : Number(cell.dataset.value);
};
function compareCells(one, other) {
  // What is not defined stands last in either direction.
  if (one === null || other === null) return (one === null) - (other === null);
  return typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other));
}
function sortBy(table, column, descending) {
  const rows = [...table.tBodies[0].rows].map(row => [keyOf(row.cells[column]), row]);
  rows.sort(([a], [b]) => (descending && a !== null && b !== null ? -1 : 1) * compareCells(a, b));
  table.tBodies[0].append(...rows.map(([, row]) => row));
}
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((cell, column) => {
    if ("unsorted" in cell.dataset) return;
    const button = document.createElement("button");
    button.textContent = cell.textContent;
    cell.replaceChildren(button);
    button.addEventListener("click", () => {
      const first = table.tBodies[0].rows[0], numeric = first && "value" in first.cells[column].dataset;
      const before = cell.getAttribute("aria-sort");
      const descending = before ? before === "ascending" : Boolean(numeric);
      for (const other of heads) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sortBy(table, column, descending);
    });
  });
}

for (const box of document.querySelectorAll("[data-filters]")) {
  const rows = [...document.getElementById(box.dataset.filters).tBodies[0].rows];
  box.addEventListener("input", () => {
    const wanted = box.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
}
for (const chooser of document.querySelectorAll("[data-panels]")) {
  const panels = [...document.querySelectorAll(`[data-panel=${chooser.dataset.panels}]`)];
  const choose = () => panels.forEach((panel, index) => { panel.hidden = index !== Number(chooser.value); });
  chooser.addEventListener("change", choose);
  // A browser may restore the choice of an earlier visit.
  choose();
}
// A link to the deciding row shows the panel that holds it.
for (const link of document.querySelectorAll("a[href='#deciding-row']")) {
  link.addEventListener("click", () => {
    const panel = document.getElementById("deciding-row").closest(".panel"), labels = panel.dataset.panel;
    const chooser = document.querySelector(`[data-panels=${labels}]`);
    chooser.value = String([...document.querySelectorAll(`[data-panel=${labels}]`)].indexOf(panel));
    chooser.dispatchEvent(new Event("change"));
  });
}
