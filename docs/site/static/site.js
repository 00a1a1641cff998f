// What scrolls sideways can be scrolled by keyboard: it takes the focus, and has a name.
"use strict";
(() => {
  const mark = () => {
    for (const element of document.querySelectorAll(".highlight pre, .table-wrapper, .sig")) {
      const scrolls = element.scrollWidth > element.clientWidth;
      if (scrolls && !element.hasAttribute("tabindex")) {
        element.tabIndex = 0;
        element.setAttribute("role", "group");
        element.setAttribute("aria-label", element.matches("pre") ? "code" : "table");
      } else if (!scrolls && element.getAttribute("role") === "group") {
        for (const name of ["tabindex", "role", "aria-label"]) element.removeAttribute(name);
      }
    }
  };
  addEventListener("load", mark);
  addEventListener("resize", mark);
  // What a fold hides has no width before it is opened; toggle events do not bubble.
  document.addEventListener("toggle", mark, true);
})();
