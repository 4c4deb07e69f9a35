/* What django-jsonform leaves out: labels tied to their inputs, masked secrets, and a post without its inner inputs. */
(function () {
  "use strict";

  const JOIN = "\u00a7";
  const INNER = "rjf" + JOIN;
  const PLACEHOLDER = /^\[(stored secret [0-9a-f]{16}|type this secret again)\]$/;
  let lastId = 0;

  function matches(pattern, name) {
    const wanted = pattern.split(JOIN);
    let parts = name.split(JOIN);
    if (wanted[0] === "**") {
      wanted.shift();
      parts = parts.slice(-wanted.length);
    }
    return wanted.length === parts.length && wanted.every((part, i) => (part === "*" ? /^\d+$/.test(parts[i]) : part === parts[i]));
  }

  function giveId(element) {
    if (!element.id) {
      lastId += 1;
      element.id = "dps-config-" + lastId;
    }
    return element.id;
  }

  function nameByGroup(input) {
    const group = input.closest(".rjf-form-group");
    const title = group && group.querySelector(".rjf-form-group-title");
    const row = input.closest(".rjf-form-row, .rjf-form-group-wrapper");
    const position = row ? Array.prototype.indexOf.call(row.parentElement.children, row) + 1 : 1;
    input.setAttribute("aria-label", (title ? title.textContent.trim() : "Configuration") + " " + position);
  }

  function tieLabel(input) {
    giveId(input);
    const box = input.closest(".rjf-input-group, .rjf-check-input");
    if (!box) {
      return;
    }
    const label = box.parentElement.querySelector(":scope > label") || box.querySelector(":scope > label");
    if (label && !label.contains(input)) {
      label.htmlFor = input.id;
    } else if (!label) {
      nameByGroup(input);
    }
    const texts = Array.from(box.querySelectorAll(":scope > .rjf-error-text, :scope > .rjf-help-text"));
    if (texts.length) {
      input.setAttribute("aria-describedby", texts.map(giveId).join(" "));
    }
    if (box.classList.contains("has-error")) {
      input.setAttribute("aria-invalid", "true");
    }
  }

  function selectPlaceholder(event) {
    if (PLACEHOLDER.test(event.target.value)) {
      event.target.select(); // what is typed now replaces it
    }
  }

  function submitOnEnter(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.target.value.includes("\n")) {
      event.preventDefault(); // in a single line, Enter means what it means in any other input
      event.target.form.requestSubmit();
    }
  }

  function maskSecret(input) {
    if (input.classList.contains("dps-secret")) {
      return;
    }
    input.classList.add("dps-secret");
    input.rows = 1;
    input.style.height = "";
    input.spellcheck = false;
    input.setAttribute("autocapitalize", "off");
    input.addEventListener("focus", selectPlaceholder);
    input.addEventListener("keydown", submitOnEnter);
  }

  function refresh(box, patterns) {
    const container = box.firstElementChild;
    box.querySelector(".dps-config-text").hidden = container.childElementCount > 0;
    container.querySelectorAll("input, select, textarea").forEach((input) => {
      tieLabel(input);
      input.setAttribute("autocomplete", "off");
      const name = (input.name || "").slice(INNER.length);
      if (input.tagName === "TEXTAREA" && patterns.some((pattern) => matches(pattern, name))) {
        maskSecret(input);
      }
    });
    container.querySelectorAll("button[title]:not([aria-label])").forEach((button) => {
      button.setAttribute("aria-label", button.title);
    });
  }

  function dropInnerInputs(event) {
    Array.from(event.formData.keys()).filter((key) => key.startsWith(INNER)).forEach((key) => event.formData.delete(key));
  }

  function enhance(box) {
    const patterns = JSON.parse(box.dataset.dpsSecrets);
    const watcher = new MutationObserver(() => refresh(box, patterns));
    watcher.observe(box.firstElementChild, { childList: true, subtree: true });
    refresh(box, patterns);
    box.closest("form").addEventListener("formdata", dropInnerInputs);
  }

  function start() {
    document.querySelectorAll(".dps-config").forEach(enhance);
  }

  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", start);
  } else {
    start();
  }
})();
