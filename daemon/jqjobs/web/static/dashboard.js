// Keeps a page up to date, and lends it some keys. All of the dashboard works without it.
"use strict";

(() => {
  const INTERVALS_MS = { "2s": 2000, "5s": 5000, off: 0 };
  const CHOSEN = "jqjobs.refresh";
  const choice = document.querySelector("[data-refresh]");
  let timer = 0;
  let etag = null;

  // The page is asked for anew, and what is marked as live is morphed into its place: open details, checked boxes, focus
  // and scroll stay. A 304 costs nothing. While nobody looks, nothing is asked.
  async function refresh() {
    const headers = etag ? { "If-None-Match": etag } : {};
    const answer = await fetch(address(), { headers, credentials: "same-origin", cache: "no-store" });
    show(answer.status < 500 ? "" : `the page answers ${answer.status}`);
    if (answer.status !== 200) return;
    etag = answer.headers.get("ETag");
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const region of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(region.id);
      if (next && !isEdited(region)) morph(region, next);
    }
  }

  function morph(region, next) {
    Idiomorph.morph(region, next.innerHTML, {
      morphStyle: "innerHTML",
      ignoreActiveValue: true,
      callbacks: {
        // What somebody has opened or checked is theirs, not the server's.
        beforeAttributeUpdated: (name) => name !== "open" && name !== "checked",
      },
    });
  }

  function isEdited(region) {
    return region.contains(document.activeElement) && document.activeElement.matches("select, textarea, input[type=text]");
  }

  // What an act has come to is told once: words in the address are not asked for again.
  function address() {
    const url = new URL(location.href);
    url.searchParams.delete("said");
    url.searchParams.delete("seal");
    return url.href;
  }

  function show(words) {
    const place = document.getElementById("stale");
    if (place) place.textContent = words && `Not up to date: ${words}`;
  }

  function tick() {
    clearTimeout(timer);
    const every = INTERVALS_MS[choice.value];
    if (!every || document.hidden) return;
    timer = setTimeout(() => refresh().catch(() => show("the dashboard does not answer")).finally(tick), every);
  }

  function begin() {
    if (!choice || !document.querySelector("[data-live]")) return;
    choice.value = remembered() in INTERVALS_MS ? remembered() : "2s";
    choice.closest("label").hidden = false;
    choice.addEventListener("change", () => { remember(choice.value); tick(); });
    document.addEventListener("visibilitychange", tick);
    tick();
  }

  function remembered() {
    try { return localStorage.getItem(CHOSEN) ?? "2s"; } catch { return "2s"; }
  }

  function remember(value) {
    try { localStorage.setItem(CHOSEN, value); } catch { /* a browser that keeps nothing */ }
  }

  const KEYS = {
    "/": () => document.querySelector("input[type=search]")?.focus(),
    j: () => step(1),
    k: () => step(-1),
    "?": () => { const help = document.getElementById("keys"); help.open ? help.close() : help.showModal(); },
  };

  function step(by) {
    const rows = [...document.querySelectorAll("main tbody a.row")];
    const next = rows.indexOf(document.activeElement) + by;
    rows[Math.max(0, Math.min(rows.length - 1, next))]?.focus();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    if (KEYS[event.key]) { event.preventDefault(); KEYS[event.key](); }
  });

  // One box checks them all.
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-all]")) return;
    for (const box of event.target.closest("table").querySelectorAll("tbody input[type=checkbox]")) {
      box.checked = event.target.checked;
    }
  });

  for (const box of document.querySelectorAll("[data-all]")) box.hidden = false;
  // Where the pages do not fit side by side, the one that is open is seen.
  document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  begin();
})();
