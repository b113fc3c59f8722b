// Before the first paint: show what only works with script, and apply the remembered theme, so that nothing shifts.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const theme = localStorage.getItem("auditbench-theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch { /* storage is blocked for local files in some browsers */ }
})();
