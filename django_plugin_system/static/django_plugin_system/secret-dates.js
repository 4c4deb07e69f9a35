/* Moves "stored on" from the list below the form to the inputs whose secrets it is about. */
(function () {
  "use strict";

  const NOTE = "dps-stored-on";

  function showAt(input, text) {
    const box = input.closest(".rjf-input-group") || input.parentElement;
    const old = box.querySelector(":scope > ." + NOTE);
    if ((old ? old.textContent : "") === text) {
      return;
    }
    if (old) {
      old.remove();
    }
    if (text) {
      box.append(Object.assign(document.createElement("span"), { className: "rjf-help-text " + NOTE, textContent: text }));
    }
  }

  function refresh(form, list) {
    const texts = new Map(Array.from(list.querySelectorAll("li"), (item) => [item.dataset.placeholder, item.dataset.text]));
    const seen = new Set();
    form.querySelectorAll(".dps-config .django-jsonform-container textarea").forEach((input) => {
      const text = texts.get(input.value) || "";
      seen.add(text);
      showAt(input, text);
    });
    list.querySelectorAll("li").forEach((item) => {
      item.hidden = seen.has(item.dataset.text);
    });
    list.hidden = !list.querySelector("li:not([hidden])");
  }

  function start() {
    const list = document.querySelector(".dps-secret-dates");
    const drawn = document.querySelector(".dps-config .django-jsonform-container");
    if (!list || !drawn) {
      return;
    }
    const form = drawn.closest("form");
    const later = () => window.requestAnimationFrame(() => refresh(form, list)); // after the form has drawn the change
    new MutationObserver(later).observe(drawn, { childList: true, subtree: true });
    ["input", "click"].forEach((kind) => drawn.addEventListener(kind, later));
    later();
  }

  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", start);
  } else {
    start();
  }
})();
