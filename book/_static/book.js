// What HTML alone does not give: figures that open as large as they were drawn, names that assistive technology can
// use, and folds that are open on paper.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  for (const image of document.querySelectorAll(".bd-article .cell_output img")) {
    if (image.closest("a")) continue;
    const link = document.createElement("a");
    link.href = image.src;
    link.className = "larger";
    link.setAttribute("aria-label", `${image.alt || "Figure"} (opens the figure alone)`);
    image.replaceWith(link);
    link.append(image);
  }

  for (const box of document.querySelectorAll(".bd-article .cell_output div, .bd-article pre")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0; // scrolls by keyboard too
  }

  // The theme's labels differ from the words on the buttons, which speech input goes by.
  for (const button of document.querySelectorAll(".search-button__button, .theme-switch-button")) {
    if (button.textContent.trim()) button.removeAttribute("aria-label");
  }
  for (const fold of document.querySelectorAll("details.hide summary")) fold.removeAttribute("aria-label");
  for (const entry of document.querySelectorAll("[role=doc-biblioentry]")) entry.removeAttribute("role");
  for (const list of document.querySelectorAll(".citation-list[role]")) list.removeAttribute("role");
});

window.addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details")) fold.open = true;
});
