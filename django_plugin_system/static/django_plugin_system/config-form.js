/* What django-jsonform leaves out: labels tied to their inputs, focus after a click, headings between fields, entries
   known by a name, its own texts in the reader's language, masked secrets, and a post without its inner inputs. */
(function () {
  "use strict";

  const JOIN = "\u00a7";
  const INNER = "rjf" + JOIN;
  const REFERENCE = /^\s*\{\s*"\$\w+"/;
  const KEYS = ["name", "title", "label", "key", "id", "user", "username", "email", "host", "url"];
  const isHeld = window.djangoPluginSystem.isHeld;
  const ANIMATION = 250; // milliseconds; the renderer moves and removes rows after 200
  let lastId = 0;

  /* The schemas that may be that of an input, by the keys in its name: several where there is a choice of types. */
  function findSchemas(schema, keys) {
    if (!schema) {
      return [];
    }
    if (schema.oneOf) {
      return schema.oneOf.flatMap((option) => findSchemas(option, keys));
    }
    if (!keys.length) {
      return [schema];
    }
    return findSchemas(schema.items || (schema.properties || {})[keys[0]], keys.slice(1));
  }

  function giveId(element) {
    if (!element.id) {
      lastId += 1;
      element.id = "dps-config-" + lastId;
    }
    return element.id;
  }

  function getPosition(row) {
    return Array.prototype.indexOf.call(row.parentElement.children, row);
  }

  function getTitle(element, fallback) {
    const group = element.closest(".rjf-form-group");
    const title = group && group.querySelector(":scope > .rjf-form-group-inner > .rjf-form-group-title");
    return title ? title.firstChild.textContent.trim() : fallback;
  }

  function getRow(element) {
    return element.closest(".rjf-form-group-children > .rjf-form-row, .rjf-form-group-children > .rjf-form-group-wrapper");
  }

  function nameByGroup(input, texts) {
    const row = getRow(input);
    input.setAttribute("aria-label", getTitle(input, texts.Configuration) + " " + (row ? getPosition(row) + 1 : 1));
  }

  function getName(input) {
    const box = input.closest(".rjf-input-group, .rjf-check-input");
    const label = box && (box.parentElement.querySelector(":scope > label") || box.querySelector(":scope > label"));
    return label ? label.textContent.trim() : input.getAttribute("aria-label") || "";
  }

  function tieLabel(input, words, describing) {
    giveId(input);
    const box = input.closest(".rjf-input-group, .rjf-check-input");
    if (!box) {
      return;
    }
    const label = box.parentElement.querySelector(":scope > label") || box.querySelector(":scope > label");
    if (label && !label.contains(input)) {
      label.htmlFor = input.id;
    } else if (!label) {
      nameByGroup(input, words);
    }
    const texts = [...box.querySelectorAll(":scope > .rjf-error-text, :scope > .rjf-help-text"), ...describing];
    if (texts.length) {
      input.setAttribute("aria-describedby", texts.map(giveId).join(" "));
    }
    if (box.classList.contains("has-error")) {
      input.setAttribute("aria-invalid", "true");
    }
    if (label && label.classList.contains("rjf-required")) {
      input.setAttribute("aria-required", "true");
    }
  }

  function selectPlaceholder(event) {
    const input = event.target;
    if (isHeld(input.value)) {
      if (event.type === "mousedown") {
        event.preventDefault(); // a click would end with a selection of its own
        input.focus();
      }
      input.select(); // what is typed now replaces it
    }
  }

  function submitOnEnter(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.target.value.includes("\n")) {
      event.preventDefault(); // in a single line, Enter means what it means in any other input
      event.target.form.requestSubmit();
    }
  }

  function maskSecret(input) {
    input.classList.toggle("dps-reference", REFERENCE.test(input.value)); // it names a place, no secret
    input.classList.toggle("dps-held", isHeld(input.value));
    if (input.classList.contains("dps-secret")) {
      return;
    }
    input.classList.add("dps-secret");
    input.rows = 1;
    input.style.height = "";
    input.spellcheck = false;
    input.setAttribute("autocapitalize", "off");
    input.addEventListener("focus", selectPlaceholder);
    input.addEventListener("mousedown", selectPlaceholder);
    input.addEventListener("keydown", submitOnEnter);
    input.addEventListener("input", () => maskSecret(input));
  }

  function decorate(input, told) {
    const keys = (input.name || "").slice(INNER.length).split(JOIN);
    const schemas = findSchemas(told.schema, keys);
    const fits = (schema) => (input.tagName === "TEXTAREA" || !schema.dpsSecret) && schema.type !== "object" && schema.type !== "array";
    const schema = schemas.find((one) => fits(one) && (one.dpsSecret || one.dpsInput || one.dpsChoices)) || schemas.find(fits) || {};
    if (schema.dpsSecret) {
      maskSecret(input);
    }
    tieLabel(input, told.texts, []);
    if (!["INPUT", "TEXTAREA"].includes(input.tagName) || ["hidden", "checkbox", "number"].includes(input.type)) {
      return;
    }
    const added = window.djangoPluginSystem.decorate(input, schema, getName(input), told);
    tieLabel(input, told.texts, added.describes);
    added.coverings.forEach((covering) => {
      const control = covering.querySelector("input, select");
      ["aria-describedby", "aria-invalid"].filter((name) => control && input.hasAttribute(name)).forEach((name) => {
        const label = name === "aria-describedby" && input.labels && input.labels[0];
        control.setAttribute(name, (label ? label.id + " " : "") + input.getAttribute(name));
      });
    });
  }

  function translate(element, texts) {
    const node = element.childNodes.length === 1 ? element.firstChild : null;
    if (node && node.nodeType === Node.TEXT_NODE && node.data in texts) {
      node.data = texts[node.data];
    }
    if (element.title in texts && texts[element.title] !== element.title) {
      element.title = texts[element.title]; // only if it differs: every write is seen by the observer
    }
  }

  function nameAddButton(button, told) {
    const title = getTitle(button, "");
    const thing = told.things.get(title);
    const text = thing ? told.texts.add.replace("{name}", thing) : told.texts.addTo.replace("{name}", title);
    if (title && button.textContent !== text) {
      button.textContent = text;
    }
  }

  function nameButton(button, told) {
    translate(button, told.texts);
    if (button.classList.contains("rjf-add-button")) {
      nameAddButton(button, told);
    }
    const row = getRow(button);
    const group = row && button.closest(".rjf-form-row-controls") ? row.parentElement : button;
    const number = group === button ? "" : " " + (getPosition(row) + 1);
    const isAdding = button.classList.contains("rjf-add-button");
    const label = (isAdding ? button.textContent : button.title) + ": " + getTitle(group, told.texts.Configuration) + number;
    if (button.title && button.getAttribute("aria-label") !== label) {
      button.setAttribute("aria-label", label);
    }
  }

  /* The value by which people know an entry: its name, or else its first text. */
  function findKey(group) {
    const fields = ":scope > .rjf-form-group-inner > .rjf-form-group-children > .rjf-form-row";
    const inputs = Array.from(group.querySelectorAll(fields), (row) => row.querySelector("[name^=rjf]")).filter(
      (input) => input && !input.classList.contains("dps-secret") && ["text", "date"].includes(input.type),
    );
    const last = (input) => input.name.split(JOIN).pop();
    return inputs.find((input) => KEYS.includes(last(input))) || inputs[0];
  }

  function nameGroup(group) {
    const title = group.querySelector(":scope > .rjf-form-group-inner > .rjf-form-group-title");
    const isItem = group.parentElement.querySelector(":scope > .rjf-form-row-controls > button");
    if (!title) {
      return;
    }
    const key = isItem && findKey(group);
    const text = key && key.value ? " " + key.value : "";
    let shown = title.querySelector(":scope > .dps-key");
    if (isItem && !shown) {
      shown = Object.assign(document.createElement("span"), { className: "dps-key" });
      title.insertBefore(shown, title.querySelector("button"));
    }
    if (shown && shown.textContent !== text) {
      shown.textContent = text;
    }
    const number = isItem ? " " + (getPosition(group.parentElement) + 1) : "";
    const name = title.firstChild.textContent.trim() + number + (text && ":" + text);
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", name);
  }

  /* What each list is a list of, by the list's title. */
  function findThings(schema, things) {
    if (schema && typeof schema === "object") {
      if (schema.type === "array" && schema.title && schema.items) {
        things.set(schema.title, schema.items.title || "");
      }
      Object.values(schema).forEach((part) => findThings(part, things));
    }
    return things;
  }

  function findStored() {
    const items = document.querySelectorAll(".dps-secret-dates li");
    return new Map(Array.from(items, (item) => [item.dataset.placeholder, { text: item.dataset.text, exact: item.dataset.exact }]));
  }

  /* The list below the form is for what stands nowhere in it. */
  function hideShownDates(container) {
    const list = document.querySelector(".dps-secret-dates");
    const values = new Set(Array.from(container.querySelectorAll("textarea"), (input) => input.value));
    if (list) {
      list.querySelectorAll("li").forEach((item) => {
        item.hidden = values.has(item.dataset.placeholder);
      });
      list.hidden = !list.querySelector("li:not([hidden])");
    }
  }

  function showHeadings(container, schema) {
    const fields = container.querySelector(".rjf-form-group-children");
    let heading = "";
    Object.values(schema.properties || {}).forEach((property, position) => {
      if (fields && fields.children[position] && (property.dpsHeading || "") !== heading) {
        heading = property.dpsHeading;
        fields.children[position].dataset.dpsHeading = heading;
      }
    });
  }

  /* An error that stands at its field need not be read a second time above the form. */
  function hideRepeatedErrors(box) {
    const list = box.parentElement.querySelector(".errorlist") || box.closest("form").querySelector(".field-config .errorlist");
    const shown = Array.from(box.querySelectorAll(".rjf-error-text"), (error) => error.textContent);
    if (list && shown.length) {
      const items = Array.from(list.querySelectorAll("li"));
      items.forEach((item) => {
        item.hidden = shown.some((text) => item.textContent.endsWith(": " + text));
      });
      list.hidden = items.every((item) => item.hidden);
    }
  }

  function refresh(box, told) {
    const container = box.firstElementChild;
    box.querySelector(".dps-config-text").hidden = container.childElementCount > 0;
    container.querySelectorAll("[name^=rjf], .rjf-oneof-selector-input").forEach((input) => {
      input.setAttribute("autocomplete", "off");
      decorate(input, told);
    });
    container.querySelectorAll("button:not(.dps-tool)").forEach((button) => nameButton(button, told));
    hideShownDates(container);
    hideRepeatedErrors(box);
    container.querySelectorAll("option[disabled], .rjf-collapsed-indicator > span").forEach((element) => translate(element, told.texts));
    container.querySelectorAll(".rjf-form-group").forEach(nameGroup);
    showHeadings(container, told.schema);
  }

  function focusFirst(places) {
    const found = places.find((place) => place && place.isConnected);
    if (found) {
      found.focus();
    }
  }

  function focusAfterClick(event) {
    const button = event.target.closest("button");
    const list = button && button.closest(".rjf-form-group-inner");
    const row = button && button.closest(".rjf-form-row-controls") && getRow(button);
    const rows = row ? row.parentElement : list && list.querySelector(":scope > .rjf-form-group-children");
    if (!rows) {
      return;
    }
    const find = (position, selector) => rows.children[position] && rows.children[position].querySelector(selector);
    const position = row ? getPosition(row) : 0;
    const before = rows.childElementCount;
    const container = event.currentTarget;
    const last = rows.parentElement.querySelector(":scope > .rjf-add-button");
    const adding = last && last.getAttribute("aria-label");
    const kind = Array.from(button.classList).find((name) => /^rjf-(add|remove|move-up|move-down)-button$/.test(name));
    window.setTimeout(() => {
      if (kind === "rjf-add-button" && rows.childElementCount > before) {
        const added = rows.childElementCount - 1;
        focusFirst([find(added, "input:not([type=hidden]), select, textarea"), find(added, "button")]);
      } else if (kind === "rjf-remove-button") {
        const adds = Array.from(container.querySelectorAll(".rjf-add-button")); // an emptied list is drawn anew
        const add = adds.find((other) => other.getAttribute("aria-label") === adding);
        focusFirst([find(position, ".rjf-remove-button"), find(position - 1, ".rjf-remove-button"), add]);
      } else if (kind === "rjf-move-up-button" || kind === "rjf-move-down-button") {
        const target = position + (kind === "rjf-move-up-button" ? -1 : 1);
        focusFirst([find(target, "." + kind), find(target, ".rjf-form-row-controls button")]);
      }
    }, kind === "rjf-add-button" ? 0 : ANIMATION);
  }

  function focusFirstError() {
    const invalid = document.querySelector("form [aria-invalid=true]");
    if (invalid && invalid.closest(".dps-config")) {
      invalid.focus();
    }
  }

  function dropInnerInputs(event) {
    Array.from(event.formData.keys()).filter((key) => key.startsWith(INNER)).forEach((key) => event.formData.delete(key));
  }

  function readTexts(box) {
    const texts = Array.from(box.querySelector(".dps-texts").content.children);
    return Object.fromEntries(texts.map((one) => [one.dataset.name, one.textContent]));
  }

  function enhance(box) {
    const told = {
      schema: JSON.parse(box.querySelector("[data-django-jsonform]").dataset.djangoJsonform).schema,
      texts: readTexts(box),
      sources: JSON.parse(box.dataset.dpsSources),
      stored: findStored(),
    };
    told.things = findThings(told.schema, new Map());
    const watched = { childList: true, subtree: true, attributes: true, attributeFilter: ["title"] };
    new MutationObserver(() => refresh(box, told)).observe(box.firstElementChild, watched);
    refresh(box, told);
    const later = () => window.requestAnimationFrame(() => refresh(box, told)); // after the form has drawn the change
    box.firstElementChild.addEventListener("input", later);
    box.firstElementChild.addEventListener("click", () => window.setTimeout(later, ANIMATION));
    box.firstElementChild.addEventListener("click", focusAfterClick, true); // before the renderer changes the rows
    box.closest("form").addEventListener("formdata", dropInnerInputs);
    window.setTimeout(focusFirstError, 0);
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
