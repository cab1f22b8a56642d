// Keeps the cards live and turns buttons into requests. Everything it shows is rendered by the server.
"use strict";
(() => {
  const base = document.body.dataset.base;
  const api = `${base}api/v1/`;
  const toast = document.querySelector(".hbn-toast");
  const streams = new Map();

  const cookie = (name) =>
    document.cookie.split("; ").map((each) => each.split("=")).find(([key]) => key === name)?.[1] ?? "";

  function say(text) {
    toast.textContent = text;
    toast.hidden = !text;
    clearTimeout(say.timer);
    if (text) say.timer = setTimeout(() => say(""), 9000);
  }

  async function ask(method, path, body, more = {}) {
    const headers = { "X-XSRFToken": cookie("_xsrf"), ...more };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const answer = await fetch(api + path, {
      method, headers, credentials: "same-origin",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (answer.status === 401) { location.reload(); return null; }
    const known = answer.status === 204 ? {} : await answer.json();
    if (!answer.ok) { const problem = new Error(known.detail || "It did not work."); problem.known = known; throw problem; }
    return known;
  }

  // A card that somebody is typing into, or has opened a menu of, is left alone.
  const busy = (card) => card.contains(document.activeElement) && document.activeElement.matches("input")
    || card.querySelector(".hbn-menu[open]");

  async function refresh(id) {
    const card = document.getElementById(`server-${id}`);
    if (!card || busy(card) || document.hidden) return;
    const answer = await fetch(`${base}fragment/servers/${id}${card.dataset.owner ? "?owner=true" : ""}`, { credentials: "same-origin" });
    if (answer.status === 401) { location.reload(); return; }
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("article");
    if (!fresh || busy(card)) return;
    const opened = [...card.querySelectorAll("details")].map((each) => each.open);
    if (fresh.dataset.version === card.dataset.version) [...fresh.querySelectorAll("details")].forEach((each, at) => { each.open = opened[at]; });
    const [list, before] = [fresh, card].map((each) => each.querySelector(".hbn-saved"));
    if (list && before) list.open = before.open;
    card.replaceWith(fresh);
    follow(fresh);
  }

  function shown(card) {
    const { top, bottom } = card.getBoundingClientRect();
    return !document.hidden && bottom > 0 && top < innerHeight;
  }

  // Progress comes as events; each asks for the card again, at most once in 700 ms. A browser keeps six connections to
  // one host: the rest of the page needs some of them.
  function follow(card) {
    const { operation, server } = card.dataset;
    if (!operation || streams.has(operation) || streams.size >= 4 || !shown(card)) return;
    const source = new EventSource(`${api}operations/${operation}/events`);
    let waiting = null;
    streams.set(operation, source);
    source.addEventListener("operation", (event) => {
      const { step } = JSON.parse(event.data);
      const done = step === "released" || step === "failed";
      if (done) { source.close(); streams.delete(operation); }
      if (done || !waiting) waiting = setTimeout(() => { waiting = null; refresh(server); }, done ? 0 : 700);
    });
  }

  async function open(kind, server, name) {
    const twice = kind === "discard" ? "?confirm=discard" : "";
    await ask("POST", `servers/${server}/operations${twice}`, { kind, name });
    await refresh(server);
  }

  async function remove(id, label) {
    if (!confirm(`Delete the checkpoint “${label}”?`)) return;
    try {
      await ask("DELETE", `checkpoints/${id}`);
    } catch (problem) {
      if (problem.known?.confirm !== "last") throw problem;
      if (!confirm("This is the only checkpoint of this environment. Without it the next start is clean, and what was installed is gone.\n\nDelete it all the same?")) return;
      await ask("DELETE", `checkpoints/${id}?confirm=last`);
    }
  }

  async function rename(id, old) {
    const name = prompt("Name of this checkpoint. A name pins it: it is kept until you delete it.", old);
    if (name !== null) await ask("PATCH", `checkpoints/${id}`, { name });
  }

  const pin = (id, pinned) => ask("PATCH", `checkpoints/${id}`, { pinned });

  const wake = (server) => ask("POST", `servers/${server}/start`);

  async function promote(checkpoint, team) {
    const name = prompt("Name of the team image: lower-case letters, digits and hyphens.");
    if (!name) return;
    const body = { checkpoint, name };
    try {
      await ask("POST", `tenants/${team}/images`, body);
    } catch (problem) {
      if (problem.known?.confirm !== "contents") throw problem;
      if (!confirm(`${problem.message.split(". Nothing was offered yet")[0]}.\n\nOffer it to the whole team?`)) return;
      await ask("POST", `tenants/${team}/images?confirm=contents`, body);
      say(`${name} is being prepared; members can start from it within a minute.`);
    }
  }

  async function retire(image, team) {
    if (!confirm(`Offer ${image} no more? What runs from it goes on, and what was saved on top of it stays.`)) return;
    await ask("DELETE", `tenants/${team}/images/${image}`);
    location.reload();
  }

  function download(name, data) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(data, null, 2)], { type: "application/json" }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  async function depart(team) {
    const { goes, export: written } = await ask("POST", `tenants/${team}/deletion`);
    download(`${team}.json`, written);
    const typed = prompt(`${team} is suspended. For good go ${goes.servers} environments, ${goes.checkpoints} checkpoints, ${goes.team_images} team images, ${goes.homes.length} home folders (${goes.homes.slice(0, 10).join(", ")}) and ${goes.sources.length} sources.\n\nType ${team} to remove all of it:`);
    if (typed !== team) { say(`Nothing was removed. ${team} stays suspended until you unsuspend or delete it.`); return; }
    await ask("DELETE", `tenants/${team}?confirm=${team}`);
    location.assign(`${base}teams`);
  }

  async function act(work, card) {
    try { await work(); } catch (problem) { say(problem.message); }
    if (card) await refresh(card.dataset.server);
  }

  // A field's name is its path; empty means its default, and only what was changed is sent.
  function patchOf(form) {
    const patch = {};
    for (const input of form.querySelectorAll("input")) {
      if (input.value === input.defaultValue) continue;
      const path = input.name.split(".");
      const last = path.pop();
      const inner = path.reduce((at, part) => (at[part] ??= {}), patch);
      const text = input.value.trim();
      inner[last] = text === "" ? null : /(servers|keep_count)$/.test(last) && /^[0-9]+$/.test(text) ? Number(text) : text;
    }
    return patch;
  }

  async function setPrices(form) {
    const { currency, since } = form.elements;
    if (!since.value && "known" in form.dataset && !confirm("Without a first day these prices hold for all time, and what was used before is priced anew. Go on?")) return false;
    const filled = [...form.querySelectorAll("[data-price]")].filter((each) => each.value.trim());
    const prices = Object.fromEntries(filled.map((each) => [each.dataset.price, each.value.trim()]));
    await ask("PUT", "prices", { currency: currency.value, prices, since: since.value || null }, { "If-Match": `"${form.dataset.version}"` });
    return true;
  }

  // Whether it was done.
  async function send(form) {
    if ("prices" in form.dataset) return setPrices(form);
    if (form.dataset.team) {
      await ask("PATCH", `tenants/${form.dataset.team}`, patchOf(form), { "If-Match": `"${form.dataset.version}"` });
    } else {
      const user = encodeURIComponent(form.elements.user.value.trim());
      await ask("PUT", `tenants/${form.dataset.list}/members/${user}`, { role: form.elements.role.value });
    }
    return true;
  }

  // A dry run of the rules as the form has them; nothing is kept.
  async function tryRules(form, team) {
    const changes = JSON.stringify(patchOf(form).culling ?? {});
    const answer = await fetch(`${base}fragment/teams/${team}/sleep?culling=${encodeURIComponent(changes)}`, { credentials: "same-origin" });
    if (answer.status === 401) { location.reload(); return; }
    if (!answer.ok) throw new Error((await answer.json()).detail || "It did not work.");
    const place = document.getElementById("sleepers");
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    place.replaceChildren(...fresh.body.childNodes);
    place.scrollIntoView({ block: "nearest" });
  }

  async function unlist({ unlist: user, of: team }) {
    if (!confirm(`Take ${user} off the list of this team? Unless a group keeps them in, what runs of theirs is saved, then stopped.`)) return;
    await ask("DELETE", `tenants/${team}/members/${encodeURIComponent(user)}`);
    location.reload();
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-team], form[data-list], form[data-prices]");
    if (!form) return;
    event.preventDefault();
    try { if (await send(form)) location.reload(); } catch (problem) { say(problem.message); }
  });

  async function leave({ leave: place, label }) {
    if (!confirm(`Give up the place of ${label}? The start ends; nothing that is saved is touched.`)) return;
    await ask("DELETE", `queue/${place}`);
    location.reload();
  }

  document.addEventListener("click", (event) => {
    const gone = event.target.closest("button[data-unlist], button[data-leave]");
    const tried = event.target.closest("button[data-try]");
    if (tried) tryRules(tried.form, tried.dataset.try).catch((problem) => say(problem.message));
    if (gone) (gone.dataset.leave ? leave : unlist)(gone.dataset).catch((problem) => say(problem.message));
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[type=button]");
    if (!button) return;
    const card = button.closest(".hbn-server");
    const { open: kind, server, ask: question, delete: gone, label, rename: named, name, pin: held, pinned, wake: asleep, promote: offered, retire: image, of: team, depart: leaves } = button.dataset;
    if (kind && (!question || confirm(question))) { button.disabled = true; act(() => open(kind, server, ""), card); }
    if (gone) act(() => remove(gone, label), card);
    if (named) act(() => rename(named, name), card);
    if (asleep && confirm(question)) act(() => wake(asleep), card);
    if (offered) act(() => promote(offered, team), card);
    if (image) act(() => retire(image, team), card);
    if (leaves) act(() => depart(leaves));
    if (held) act(async () => { await pin(held, Boolean(pinned)); if (!card) location.reload(); }, card);
  });

  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-open]");
    if (!form) return;
    event.preventDefault();
    const card = form.closest(".hbn-server");
    const name = form.elements.name.value;
    form.closest("details").open = false;
    document.activeElement.blur();
    act(() => open(form.dataset.open, form.dataset.server, name), card);
  });

  async function endJob({ endJob: job, label }) {
    if (!confirm(`End the job ${label}? What it wrote to its outputs so far is kept.`)) return;
    await ask("POST", `tenants/${job}/cancel`);
    await relive();
  }

  async function again(job) {
    const letters = "abcdefghijklmnopqrstuvwxyz0123456789";
    const random = crypto.getRandomValues(new Uint32Array(10));
    const id = [...random].map((each, at) => letters[each % (at ? 36 : 26)]).join("");
    await ask("POST", `tenants/${job}/rerun`, { id });
    location.assign(`${base}jobs/${job.split("/")[0]}/${id}`);
  }

  async function switchSchedule({ schedule, do: what, label }) {
    if (what === "delete" && !confirm(`Delete the schedule ${label}? Its runs are kept.`)) return;
    await (what === "delete" ? ask("DELETE", `tenants/${schedule}`) : ask("POST", `tenants/${schedule}/${what}`));
    await relive();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-schedule]");
    if (button) switchSchedule(button.dataset).catch((problem) => say(problem.message));
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-end-job], button[data-again]");
    if (!button) return;
    (button.dataset.again ? again(button.dataset.again) : endJob(button.dataset)).catch((problem) => say(problem.message));
  });

  // What lives on a page is asked for again with it, and replaced where it changed.
  // A log stays at its end, unless somebody reads further up.
  const theLog = () => document.querySelector(".hbn-log");
  const scroll = (to) => { const log = theLog(); if (log) log.scrollTop = to ?? log.scrollHeight; };
  async function relive() {
    if (document.hidden) return;
    const answer = await fetch(location.href, { credentials: "same-origin" });
    if (answer.status === 401) { location.reload(); return; }
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const log = theLog();
    const read = log && log.scrollHeight - log.scrollTop - log.clientHeight > 40 ? log.scrollTop : undefined;
    document.querySelectorAll("[data-live]").forEach((part) => {
      const now = fresh.getElementById(part.id);
      if (now && now.innerHTML !== part.innerHTML) part.replaceWith(now);
    });
    scroll(read);
  }
  if (document.querySelector("[data-live]")) { scroll(); setInterval(() => relive().catch(() => {}), 2000); }

  // What is on the screen is followed and asked for anew, however many cards the page has; what is not costs nothing.
  function live() {
    const seen = [...document.querySelectorAll(".hbn-server")].filter(shown);
    const running = new Set(seen.map((card) => card.dataset.operation));
    for (const [operation, source] of streams) if (!running.has(operation)) { source.close(); streams.delete(operation); }
    seen.forEach(follow);
    return seen;
  }

  window.hubernate = { ask }; // for the scripts of single pages

  const renew = () => live().forEach((card) => refresh(card.dataset.server));
  live();
  setInterval(renew, 10000);
  document.addEventListener("visibilitychange", renew);
  // A page that the browser kept and shows again is as old as its last look, and its streams are closed.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
})();
