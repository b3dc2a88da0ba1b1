// Everything on the page works without this; it adds a theme switch, hover texts and unfolding.
"use strict";
(() => {
  const root = document.documentElement;
  const kept = {
    get() { try { return localStorage.getItem("theme"); } catch { return null; } },
    set(value) { try { localStorage.setItem("theme", value); } catch { /* a file opened from disk may not keep any */ } },
  };
  const themes = ["auto", "light", "dark"];
  const button = document.getElementById("theme");
  const show = (theme) => {
    if (theme === "auto") root.removeAttribute("data-theme"); else root.setAttribute("data-theme", theme);
    if (button) button.querySelector("span").textContent = theme;
  };
  let theme = themes.includes(kept.get()) ? kept.get() : "auto";
  show(theme);
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => {
      theme = themes[(themes.indexOf(theme) + 1) % themes.length];
      kept.set(theme);
      show(theme);
    });
  }

  const unfold = document.getElementById("unfold");
  const folds = () => [...document.querySelectorAll("main details")];
  if (unfold) {
    unfold.hidden = folds().length === 0;
    unfold.addEventListener("click", () => {
      const open = unfold.textContent === "Unfold all";
      folds().forEach((each) => { each.open = open; });
      unfold.textContent = open ? "Fold all" : "Unfold all";
    });
  }
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = folds().filter((each) => !each.open && !each.classList.contains("call"));
    closed.forEach((each) => { each.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((each) => { each.open = false; }));

  // A link into a folded attempt unfolds it.
  const reveal = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    let at = id && document.getElementById(id);
    const goal = at;
    if (at && at.querySelector(":scope > details")) at.querySelector(":scope > details").open = true;
    for (; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    if (goal) goal.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();

  const tip = document.getElementById("tip");
  document.addEventListener("pointerover", (event) => {
    const mark = event.target.closest && event.target.closest(".chart svg [aria-label]");
    if (!tip) return;
    tip.hidden = !mark || mark.getAttribute("aria-roledescription") === "axis";
    if (tip.hidden) return;
    tip.textContent = mark.getAttribute("aria-label");
    const box = mark.getBoundingClientRect();
    const left = Math.min(Math.max(box.left + box.width / 2, 90), root.clientWidth - 90);
    // Set through the object model: a policy that forbids inline styles allows this.
    tip.style.left = `${left + scrollX}px`;
    tip.style.top = `${box.top + scrollY - 8}px`;
  });
})();
