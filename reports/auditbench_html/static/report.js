// Progressive enhancement only: the report reads, links and prints without this script.
(() => {
  "use strict";
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const root = document.documentElement;

  // Theme: auto, light, dark.
  const themeButton = one("#theme");
  const themes = ["auto", "light", "dark"];
  const remember = (theme) => { try { localStorage.setItem("auditbench-theme", theme); } catch { /* blocked */ } };
  const show = (theme) => {
    if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme;
    themeButton.textContent = themeButton.dataset[theme];
    themeButton.value = theme;
  };
  show(root.dataset.theme || "auto");
  themeButton.addEventListener("click", () => {
    const next = themes[(themes.indexOf(themeButton.value) + 1) % themes.length];
    show(next);
    remember(next);
  });
  one("#print").addEventListener("click", () => window.print());

  // Narrow screens fold the gates that pass, until they are asked for, looked for, or linked to.
  const gates = one("#gate-table"), more = one(".unfold");
  const unfold = () => gates?.classList.add("whole");
  if (more) { gates.classList.add("brief"); more.addEventListener("click", unfold); }

  // A link into something folded opens it.
  const reveal = () => {
    let target = null;
    try { target = document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { return; }
    if (!target) return;
    for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    if (target.dataset.s === "pass") unfold();
    target.scrollIntoView();
  };
  window.addEventListener("hashchange", reveal);
  if (location.hash) reveal();

  // Wide screens keep the contents list open; paper has everything open.
  const contents = one(".toc details");
  if (!CSS.supports("selector(::details-content)")) contents.open = matchMedia("(min-width: 1120px)").matches;
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = all("details:not([open])");
    folded.forEach((details) => { details.open = true; });
  });
  window.addEventListener("afterprint", () => folded.forEach((details) => { details.open = false; }));

  // The contents list follows the reader.
  const links = new Map(all(".toc a").map((link) => [link.hash.slice(1), link]));
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      links.forEach((link) => link.removeAttribute("aria-current"));
      links.get(entry.target.id).setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-18% 0px -72% 0px" });
  links.forEach((_, id) => { const section = document.getElementById(id); if (section) watcher.observe(section); });

  // A table that goes on beyond its right edge fades out there, until it is scrolled to its end.
  const fade = (box) => box.classList.toggle("beyond", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
  const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => fade(target)));
  for (const box of all(".scroll")) { box.addEventListener("scroll", () => fade(box), { passive: true }); sizes.observe(box); }

  // Filter one table by state and by text; the count is announced politely.
  for (const bar of all("[data-filter]")) {
    const rows = all(`#${bar.dataset.filter} tbody tr:not(.axis)`);
    const output = one("output", bar), box = one("input", bar), buttons = all("button[data-s]", bar);
    let state = "";
    const apply = () => {
      const wanted = box.value.trim().toLowerCase();
      let shown = 0;
      for (const row of rows) {
        const fits = (!state || row.dataset.s === state) && row.textContent.toLowerCase().includes(wanted);
        row.hidden = !fits;
        shown += fits ? 1 : 0;
      }
      if (state || wanted) unfold();
      output.textContent = output.dataset.text.replace("[shown]", shown).replace("[total]", rows.length);
    };
    for (const button of buttons) button.addEventListener("click", () => {
      state = button.dataset.s;
      buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      apply();
    });
    box.addEventListener("input", apply);
    apply();
  }

  // Sort: the text of a head becomes a button; numbers by data-v, text by the page's language, no value last.
  const compare = (first, second, direction) => {
    const [a, b] = [first.dataset.v, second.dataset.v];
    if (a === "" || b === "") return (a === "") - (b === "");
    if (a !== undefined && b !== undefined) return direction * (Number(a) - Number(b));
    return direction * first.textContent.trim().localeCompare(second.textContent.trim(), root.lang);
  };
  for (const table of all("table[data-sort]")) {
    all("thead th:not(.viz)", table).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
        const body = table.tBodies[0], axis = one(".axis", body);
        all("tr:not(.axis)", body)
          .sort((first, second) => compare(first.children[column], second.children[column], direction))
          .forEach((row) => body.insertBefore(row, axis));
      });
    });
  }
})();
