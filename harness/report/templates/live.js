// Follows a run: lines as they come, and the page's changing part fetched anew after them.
"use strict";
(() => {
  const part = document.getElementById("part");
  const news = document.getElementById("news");
  const run = part && part.dataset.run;
  if (!run) return;
  const MOST_LINES = 500;
  let busy = false, again = false, pause = 500;

  // The part is rendered and escaped by the server, as the page itself is.
  const refresh = async () => {
    if (busy) { again = true; return; }
    busy = true;
    const began = performance.now();
    try {
      const answer = await fetch(`/runs/${run}/part`);
      if (answer.ok) {
        const held = document.activeElement && part.contains(document.activeElement) && document.activeElement.getAttribute("href");
        const ticked = new Set([...part.querySelectorAll("input:checked")].map((box) => box.value));
        part.innerHTML = await answer.text();
        for (const box of part.querySelectorAll("input")) box.checked = ticked.has(box.value);
        if (held) for (const link of part.querySelectorAll("a[href]")) if (link.getAttribute("href") === held) link.focus({ preventScroll: true });
      }
    } finally {
      pause = Math.max(500, 5 * (performance.now() - began));  // a long run must not keep the server busy
      setTimeout(() => { busy = false; if (again) { again = false; refresh(); } }, pause);
    }
  };

  const source = new EventSource(`/runs/${run}/events`);
  source.addEventListener("news", (event) => {
    const atEnd = news.scrollTop + news.clientHeight > news.scrollHeight - 40;
    for (const line of JSON.parse(event.data).lines) {
      const item = document.createElement("li");
      item.textContent = line;
      news.append(item);
    }
    while (news.children.length > MOST_LINES) news.firstChild.remove();
    if (atEnd) news.scrollTop = news.scrollHeight;
    refresh();
  });
  source.addEventListener("over", () => { source.close(); setTimeout(refresh, 300); });
})();
