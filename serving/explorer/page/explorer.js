"use strict";

// Item ids and labels are strangers' texts: everything is set as text, nothing as markup.
const by = (id) => document.getElementById(id);
let golden = [];

function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function number(value, digits = 4) {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

async function ask(path, body) {
  const headers = {};
  if (by("token").value) headers.Authorization = `Bearer ${by("token").value}`;
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(`api/${path}`, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  const content = await answer.json();
  if (!answer.ok) throw content;
  return content;
}

function complain(mistake) {
  const field = { slate_size: "slate_size", "exploration.temperature": "temperature", temperature: "temperature", token: "token" }[mistake.field] || "request";
  if (field === "token") by("token-field").hidden = false;
  for (const one of document.querySelectorAll("[aria-invalid]")) one.removeAttribute("aria-invalid");
  by(field).setAttribute("aria-invalid", "true");
  by("mistake").textContent = mistake.field ? `${mistake.field}: ${mistake.description}` : String(mistake);
  by(field).focus();
}

function forgive() {
  for (const one of document.querySelectorAll("[aria-invalid]")) one.removeAttribute("aria-invalid");
  by("mistake").textContent = "";
}

function fill(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => element("option", text, { value })));
  select.value = chosen;
}

function show(request) {
  const lines = Object.entries(request).map(([key, value]) => ` ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  by("request").value = `{\n${lines.join(",\n")}\n}`;
  by("slate_size").value = request.slate_size;
}

function table(columns, rows, mark) {
  const head = element("tr");
  const body = element("tbody");
  const parts = rows.map((row) => {
    const line = element("tr");
    if (mark && mark(row)) line.className = "placed";
    line.append(...columns.map((column) => {
      const cell = element("td");
      if (column.act) {
        const button = element("button", column.text(row), { type: "button", title: column.title });
        button.addEventListener("click", () => column.act(row, button));
        cell.append(button);
      } else {
        cell.textContent = column.text(row);
      }
      cell.className = [column.left ? "text" : "", column.tone ? column.tone(row) : ""].join(" ").trim();
      if (column.drawing) cell.append(column.drawing(row));
      if (column.bar && column.value(row) !== null) cell.append(element("progress", "", { max: 1, value: column.value(row), "aria-hidden": "true" }));
      return cell;
    }));
    return { row, line };
  });
  for (const column of columns) {
    const heading = element("th", "", { scope: "col" });
    if (column.left) heading.className = "text";
    const button = element("button", column.name, { type: "button" });
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      for (const other of head.children) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (a, b) => (a === b ? 0 : a === null ? 1 : b === null ? -1 : (a < b ? -1 : 1) * (down ? -1 : 1));
      parts.sort((a, b) => order(column.value(a.row), column.value(b.row)));
      body.replaceChildren(...parts.map((part) => part.line));
    });
    heading.append(button);
    head.append(heading);
  }
  body.append(...parts.map((part) => part.line));
  const made = element("table");
  const top = element("thead");
  top.append(head);
  made.append(top, body);
  const scroll = element("div", "", { class: "scroll", tabindex: "0" });
  scroll.append(made);
  return scroll;
}

function labelled(labels) {
  return Object.entries(labels).map(([name, value]) => (value ? `${name}=${value}` : name)).join(", ");
}

function answered(answer, asked) {
  const made = element("article", "", { class: "answer" });
  const why = element("section", "", { class: "why", "aria-live": "polite", hidden: "" });
  const act = (row, button) => explain(why, button, { ...asked, version: answer.version, item: row.item_id });
  const item = { name: "Item", left: true, title: "Why here", act, value: (row) => row.item_id, text: (row) => row.item_id };
  const times = Object.entries(answer.stage_ms).map(([stage, ms]) => `${stage} ${ms.toFixed(2)} ms`).join(" · ");
  const facts = [`decoding ${answer.decoding}`, `policy ${answer.policy}`];
  if (answer.propensity !== null) facts.push(`propensity ${answer.propensity.toExponential(3)}`);
  const slate = [
    { name: "Place", value: (row) => row.place, text: (row) => String(row.place) },
    item,
    { name: "Probability", bar: true, value: (row) => row.probability, text: (row) => number(row.probability, 3) },
  ];
  if (answer.slate.some((row) => Object.keys(row.labels).length)) {
    slate.push({ name: "Labels", left: true, value: (row) => labelled(row.labels), text: (row) => labelled(row.labels) || "–" });
  }
  const candidates = [
    { name: "Given", value: (row) => row.given, text: (row) => String(row.given) },
    item,
    { name: "Base rank", value: (row) => row.base_rank, text: (row) => String(row.base_rank) },
    { name: "Base score", value: (row) => row.base_score, text: (row) => number(row.base_score) },
    { name: "Gate score", value: (row) => row.gate_score, text: (row) => number(row.gate_score) },
    { name: "Passed", value: (row) => Number(row.passed), text: (row) => (row.passed ? "yes" : "no") },
    { name: "Place", value: (row) => row.place, text: (row) => (row.place === null ? "–" : String(row.place)) },
  ];
  made.append(
    element("h2", answer.version),
    element("p", facts.join(" · "), { class: "facts" }),
    element("p", times, { class: "facts" }),
    element("h3", "Slate"),
    table(slate, answer.slate.map((row, place) => ({ ...row, place: place + 1 }))),
    why,
    element("h3", `Candidates (${answer.candidates.length})`),
    table(candidates, answer.candidates, (row) => row.place !== null),
  );
  return made;
}

async function rank(event) {
  event.preventDefault();
  let request;
  try {
    request = JSON.parse(by("request").value);
  } catch (error) {
    return complain({ field: "request", description: `not JSON: ${error.message}` });
  }
  if (by("slate_size").value) request.slate_size = Number(by("slate_size").value);
  const versions = [by("version").value];
  if (by("other").value) versions.push(by("other").value);
  try {
    const answers = [];
    const asked = { request, temperature: by("temperature").value };
    for (const version of versions) answers.push(await ask("rank", { ...asked, version }));
    forgive();
    by("answers").replaceChildren(...answers.map((answer) => answered(answer, asked)));
  } catch (mistake) {
    complain(mistake);
  }
}

async function load() {
  try {
    const known = await ask("versions");
    const ready = known.versions.filter((one) => one.state === "ready").map((one) => [one.version, one.version]);
    const rules = [`in service: ${known.stable}`];
    if (known.canary.version) rules.push(`canary: ${known.canary.version} for ${100 * known.canary.share} %`);
    if (known.shadow.version) rules.push(`shadow: ${known.shadow.version} for ${100 * known.shadow.share} %`);
    const refused = known.versions.filter((one) => one.state === "refused");
    if (refused.length) rules.push(`refused: ${refused.map((one) => `${one.version} (${one.refusal})`).join("; ")}`);
    by("traffic").textContent = rules.join(" · ");
    fill(by("version"), [["", "by the traffic rules"], ...ready], "");
    fill(by("other"), [["", "none"], ...ready], "");
    golden = await ask("requests");
    fill(by("golden"), golden.map((request, place) => [String(place), `${request.request_id} (${request.item_ids.length} items)`]), "0");
    if (golden.length && !by("request").value) show(golden[0]);
    forgive();
  } catch (mistake) {
    complain(mistake);
  }
}

function dress(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  by("theme").textContent = dark ? "Light" : "Dark";
  by("theme").setAttribute("aria-pressed", String(dark));
}

dress(window.matchMedia("(prefers-color-scheme: dark)").matches);
by("theme").addEventListener("click", () => dress(document.documentElement.dataset.theme !== "dark"));
by("golden").addEventListener("change", () => show(golden[Number(by("golden").value)]));
by("token").addEventListener("change", load);
by("form").addEventListener("submit", rank);
load();
