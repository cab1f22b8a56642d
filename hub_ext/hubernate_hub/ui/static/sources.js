// Registers a source and tests it. What a form's field is called is its path in what is sent.
"use strict";
(() => {
  const { ask } = window.hubernate;
  const base = document.body.dataset.base;

  function valueOf(input, text) {
    if (input.type === "number") return Number(text);
    return "list" in input.dataset ? text.split(",").map((each) => each.trim()).filter(Boolean) : text;
  }

  function bodyOf(form, body) {
    for (const input of form.querySelectorAll("input, select")) {
      const text = input.type === "password" ? input.value : input.value.trim();
      if (text === "") continue;
      const path = input.name.split(".");
      const last = path.pop();
      path.reduce((at, part) => (at[part] ??= {}), body)[last] = valueOf(input, text);
    }
    return body;
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-register]");
    if (!form) return;
    event.preventDefault();
    const problem = form.querySelector("[role=alert]");
    const button = form.querySelector("button[type=submit]");
    problem.hidden = button.disabled = true;
    try {
      const team = form.dataset.register;
      const made = await ask("POST", `tenants/${team}/sources`, bodyOf(form, { source: { place: { kind: form.dataset.kind } } }));
      if (made) location.assign(`${base}sources/${team}/${made.name}?untested=true`);
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = button.disabled = false;
    }
  });

  const SIGNS = { true: ["hbn-good", "yes"], false: ["hbn-bad", "no"], null: ["", "not asked"] };

  function line({ question, ok, answer, advice }) {
    const row = document.createElement("tr");
    const [look, word] = SIGNS[ok];
    const dot = Object.assign(document.createElement("span"), { className: `hbn-dot ${look}`, ariaHidden: "true" });
    const cells = [question, word, [answer, advice].filter(Boolean).join(" ")].map((text, at) =>
      Object.assign(document.createElement(at ? "td" : "th"), { textContent: text }));
    cells[1].prepend(dot);
    row.append(...cells);
    return row;
  }

  async function test(button) {
    const { test: source, of: team } = button.dataset;
    const table = document.getElementById("checks");
    const problem = document.getElementById("untested");
    button.disabled = problem.hidden = true;
    try {
      const found = await ask("POST", `tenants/${team}/sources/${source}/test`);
      table.tBodies[0].replaceChildren(...(found?.checks ?? []).map(line));
      table.hidden = false;
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
    button.disabled = false;
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-credential]");
    if (!form) return;
    event.preventDefault();
    try {
      await ask("PUT", `tenants/${form.dataset.of}/sources/${form.dataset.credential}/credential`, bodyOf(form, {}));
      form.reset();
    } catch (error) {
      document.getElementById("untested").textContent = error.message;
      document.getElementById("untested").hidden = false;
      return;
    }
    await test(button);
  });

  const button = document.querySelector("button[data-test]");
  button?.addEventListener("click", () => test(button));
  if (button && "now" in button.dataset) test(button);
})();
