// What the tests ask of a page, in every browser.
globalThis.checks = {
  unfold() {
    for (const details of document.querySelectorAll("details")) details.open = true;
  },

  // Whether the page scrolls sideways, and what reaches beyond its right edge; wide tables scroll in a box of their own.
  overflow() {
    const width = document.documentElement.clientWidth;
    const wide = [...document.querySelectorAll("body *")].filter((node) =>
      node.getBoundingClientRect().right > width + 1
      && !node.closest(".scroll, .where, .vh, .sprite, svg, thead") && getComputedStyle(node).position !== "absolute");
    return [document.documentElement.scrollWidth > width, wide.slice(0, 5).map((node) => node.outerHTML.slice(0, 120))];
  },

  // Violations of WCAG 2.2 AA and of best practice as axe-core sees them, and how many rules found nothing wrong.
  async accessibility() {
    const values = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const found = await axe.run(document, { runOnly: { type: "tag", values }, resultTypes: ["violations"] });
    const problems = found.violations.map((rule) => [rule.id, rule.nodes.slice(0, 3).map((node) => node.html.slice(0, 160))]);
    return { problems, passed: found.passes.length, version: found.testEngine.version };
  },

  // Attributes that act, or lead out of the page.
  acting() {
    const leading = ["href", "xlink:href", "src", "srcset", "action", "formaction", "data", "poster", "background"];
    const inside = /^(#|$|data:image\/png;base64,[A-Za-z0-9+/=]+$)/;
    return [...document.querySelectorAll("*")].flatMap((node) => [...node.attributes].filter(({ name, value }) =>
      name.startsWith("on") || name === "style" || name === "srcdoc" || (leading.includes(name) && !inside.test(value))))
      .map(({ name, value }) => `${name}=${value}`);
  },

  // The rules of a style as the browser understands them.
  rules(style) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style);
    return [...sheet.cssRules].map((rule) => rule.cssText);
  },

  elements: () => document.querySelectorAll("*").length,
  words: () => document.body.innerText.split(/\s+/).filter(Boolean),
  seen: (selector) => [...document.querySelectorAll(selector)].filter((node) => node.checkVisibility()).length,
  ground: () => getComputedStyle(document.body).backgroundColor,
};
