"use strict";

// Why an item stands where it stands. `element`, `number`, `table`, `ask`, `complain` and `forgive` are in explorer.js.
const BAR_WIDTH = 160;
const SMALLEST_EFFECT = 0.005;

async function explain(panel, button, asked) {
  panel.setAttribute("aria-busy", "true");
  try {
    const told = await ask("explain", asked);
    forgive();
    show_why(panel, button, told);
  } catch (mistake) {
    complain(mistake);
  } finally {
    panel.removeAttribute("aria-busy");
  }
}

function show_why(panel, button, told) {
  const close = element("button", "Close", { type: "button" });
  const leave = () => {
    panel.hidden = true;
    panel.replaceChildren();
    button.focus();
  };
  close.addEventListener("click", leave);
  panel.onkeydown = (event) => {
    if (event.key === "Escape") leave();
  };
  const where = told.place === null ? "not in the slate" : `place ${told.place}`;
  const heading = element("h3", `Why here: ${told.item_id}, ${where}, base rank ${told.base_rank}`, { tabindex: "-1" });
  const bar = element("p", "", { class: "closing" });
  bar.append(close);
  panel.replaceChildren(heading, bar, ...contributed(told), ...occluded(told));
  panel.hidden = false;
  heading.focus();
}

function contributed(told) {
  if (told.base === null) return [element("p", `No contributions: ${told.base_reason}.`, { class: "facts" })];
  const { score, expected, contributions, others } = told.base;
  const most = Math.max(...contributions.map((one) => Math.abs(one.contribution)), 1e-300);
  const columns = [
    { name: "Feature", left: true, value: (row) => row.feature, text: (row) => row.feature },
    { name: "Value", value: (row) => row.value, text: (row) => plain(row.value) },
    { name: "Adds", tone: (row) => tone(row.contribution, 0), value: (row) => row.contribution, text: (row) => signed(row.contribution) },
    { name: "Raises or lowers", left: true, value: (row) => row.contribution, text: () => "", drawing: (row) => drawn(row, most) },
  ];
  const sum = `Base score ${number(score)}: ${number(expected)} expected of any item, what its features add, and ${signed(others)} of all others.`;
  return [element("p", sum, { class: "facts" }), table(columns, contributions)];
}

function drawn(row, most) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const half = BAR_WIDTH / 2;
  const length = (half * Math.abs(row.contribution)) / most;
  const raises = row.contribution > 0;
  const words = `${row.feature} ${raises ? "raises" : "lowers"} the base score by ${number(Math.abs(row.contribution))}`;
  const parts = { rect: { x: raises ? half : half - length, y: 2, width: length, height: 10 }, path: { d: `M${half} 0v14` } };
  for (const [key, value] of Object.entries({ width: BAR_WIDTH, height: 14, role: "img", "aria-label": words, class: tone(row.contribution, 0) })) svg.setAttribute(key, value);
  for (const [name, attributes] of Object.entries(parts)) {
    const part = document.createElementNS(svg.namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) part.setAttribute(key, value);
    svg.append(part);
  }
  return svg;
}

function occluded(told) {
  if (told.occlusion === null) return [element("p", `What its place hangs on is not told: ${told.occlusion_reason}.`, { class: "facts" })];
  const { neighbours, features, places_compared: compared } = told.occlusion;
  const effect = (name, field) => ({ name, tone: (row) => tone(row[field], SMALLEST_EFFECT), value: (row) => row[field], text: (row) => factor(row[field]) });
  const place = (name, before, after) => ({ name, left: true, value: after, text: (row) => (compared ? moved(before(row), after(row)) : "–") });
  const parts = [];
  if (neighbours.length) {
    parts.push(element("h4", "What another candidate does to it"), table([
      { name: "Candidate", left: true, value: (row) => row.item_id, text: (row) => row.item_id },
      effect("Its presence", "context"),
      effect("Its competing", "competition"),
      place("Place without it", (row) => row.place_with, (row) => row.place_without),
    ], neighbours));
  }
  if (features.length) {
    parts.push(element("h4", "What a feature does to its place, beside the feature's mean"), table([
      { name: "Feature", left: true, value: (row) => row.feature, text: (row) => row.feature },
      { name: "Value", value: (row) => row.value, text: (row) => plain(row.value) },
      effect("Its own value", "item"),
      place("Place with the mean", (row) => (row.item === null ? null : told.place), (row) => row.place_item),
      effect("Everyone's values", "everywhere"),
      place("Place with the mean for all", () => told.place, (row) => row.place_everywhere),
    ], features));
  }
  return parts;
}

// How many times as probable: the sign, the words and the colour all say the direction.
function factor(nats) {
  if (nats === null) return "–";
  if (Math.abs(nats) < SMALLEST_EFFECT) return "× 1.00";
  const sign = nats > 0 ? "▲" : "▼";
  if (Math.abs(nats) > Math.log(1000)) return `${sign} × ${nats > 0 ? "more than 1000" : "less than 0.001"}`;
  return `${sign} × ${Math.exp(nats).toPrecision(3)}`;
}

function moved(before, after) {
  if (before === null) return "–";
  return before === after ? `stays ${before}` : `${before} → ${after === null ? "not placed" : after}`;
}

function tone(value, smallest) {
  if (value === null || Math.abs(value) <= smallest) return "";
  return value > 0 ? "raises" : "lowers";
}

function signed(value) {
  return (value > 0 ? "+" : "") + number(value);
}

function plain(value) {
  return String(Number(value.toPrecision(4)));
}
