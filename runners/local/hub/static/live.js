// Keeps the regions marked data-live true: asks for this page again and changes only what differs.
"use strict";
(() => {
  const seen = new WeakSet();

  // A log that comes into view shows its end; from there on it follows while one stays at the end.
  function showEnds() {
    document.querySelectorAll("details[open] > .log").forEach((log) => {
      if (!seen.has(log)) log.scrollTop = log.scrollHeight;
      seen.add(log);
    });
  }

  showEnds();
  const every = Number(document.body.dataset.every || 0);
  if (!every) return;
  const lost = document.getElementById("lost");
  let last = "";
  let failures = 0;

  const sameKind = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");

  function morph(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    const opened = old.nodeName === "DETAILS" && old.dataset.open === fresh.dataset.open;
    const follow = old.classList.contains("log") && old.scrollTop + old.clientHeight >= old.scrollHeight - 30;
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !(opened && name === "open")) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value && !(opened && name === "open")) old.setAttribute(name, value);
    }
    morphChildren(old, fresh);
    if (follow) old.scrollTop = old.scrollHeight;
  }

  function morphChildren(old, fresh) {
    const wanted = [...fresh.childNodes];
    for (let index = 0; index < wanted.length; index += 1) {
      const there = old.childNodes[index];
      if (!there) old.append(document.importNode(wanted[index], true));
      else if (sameKind(there, wanted[index])) morph(there, wanted[index]);
      else old.replaceChild(document.importNode(wanted[index], true), there);
    }
    while (old.childNodes.length > wanted.length) old.lastChild.remove();
  }

  function apply(text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    document.querySelectorAll("[data-live]").forEach((region) => {
      const fresh = page.getElementById(region.id);
      if (fresh && !region.contains(document.activeElement.closest("form"))) morph(region, fresh);
    });
    showEnds();
    document.title = page.title;
    return page.body.hasAttribute("data-every");
  }

  async function refresh() {
    let wait = every;
    let more = true;
    if (document.visibilityState === "visible") {
      try {
        const answer = await fetch(location.href, { cache: "no-store", redirect: "error" });
        if (!answer.ok) throw new Error(String(answer.status));
        const text = await answer.text();
        if (text !== last) more = apply(text);
        last = text;
        failures = 0;
        lost.textContent = "";
      } catch (error) {
        failures += 1;
        wait = Math.min(every * 2 ** failures, 15000);
        if (failures > 1) lost.textContent = "The hub does not answer. Trying again.";
      }
    }
    if (more) setTimeout(refresh, wait);
  }

  setTimeout(refresh, every);
})();
