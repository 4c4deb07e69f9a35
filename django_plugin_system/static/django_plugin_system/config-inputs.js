/* What stands beside an input of the generated form: what becomes of a stored secret, where a value stands, help with
   dates, durations and choices. The input itself stays what django-jsonform reads; here it is only filled. */
(function () {
  "use strict";

  const RETYPE = "[type this secret again]";
  const TYPED = /^\[typed, not saved yet: [^\]]+\]$/;
  const STORED = /^\[stored secret [0-9a-f]{16}\]$/;
  const DURATION = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/;
  const UNITS = [["days", 86400, "D"], ["hours", 3600, "H"], ["minutes", 60, "M"], ["seconds", 1, "S"]];
  const OTHER = "\u0000other";

  function make(tag, className, attributes) {
    return Object.assign(document.createElement(tag), { className: className }, attributes);
  }

  /* Say which field a control beside it is for; its own name stays short, and the label means the input alone. */
  function relate(control, input, text, name) {
    const label = input.labels && input.labels[0];
    if (label) {
      label.id = label.id || input.id + "-label";
      control.setAttribute("aria-describedby", label.id);
    }
    control.setAttribute("aria-label", label ? text : text + ": " + name);
    return control;
  }

  function makeButton(input, text, name, act) {
    const button = relate(make("button", "dps-tool", { type: "button", textContent: text }), input, text, name);
    button.addEventListener("click", act);
    return button;
  }

  function makeSelect(className, options) {
    const select = make("select", className);
    options.forEach(([value, text]) => select.append(make("option", "", { value: value, textContent: text })));
    return select;
  }

  /* Fill an input as if somebody typed: its renderer hears of it. */
  function fill(input, value) {
    Object.getOwnPropertyDescriptor(Object.getPrototypeOf(input), "value").set.call(input, value);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  /* Let another control stand in the place of an input, which is still there for the renderer and for errors. */
  function cover(input, covering, on) {
    if (covering.hidden === !on && input.classList.contains("dps-covered") === on) {
      return;
    }
    covering.hidden = !on;
    input.classList.toggle("dps-covered", on);
    if (on) {
      input.setAttribute("aria-hidden", "true");
      input.tabIndex = -1;
    } else {
      input.removeAttribute("aria-hidden");
      input.removeAttribute("tabindex");
    }
  }

  function passFocusOn(input, covering) {
    input.addEventListener("focus", () => {
      const target = covering.querySelector("input, select");
      if (input.classList.contains("dps-covered") && target && !covering.hidden) {
        target.focus();
      }
    });
  }

  function readReference(value, sources) {
    if (!/^\s*\{/.test(value)) {
      return null;
    }
    try {
      const read = JSON.parse(value);
      const keys = Object.keys(read);
      const source = sources.find((one) => one.kind === keys[0]);
      return keys.length === 1 && source && typeof read[keys[0]] === "string" ? { source: source, name: read[keys[0]] } : null;
    } catch (error) {
      return null;
    }
  }

  // A secret: what is stored, what becomes of it

  function addSecret(input, name, told, isReference) {
    const texts = told.texts;
    const tools = make("div", "dps-tools");
    const status = make("span", "dps-status");
    let kept = "";
    let last = input.value;
    let replacing = false;
    const show = makeButton(input, texts.show, name, () => {
      show.setAttribute("aria-pressed", String(input.classList.toggle("dps-shown")));
    });
    const replace = makeButton(input, texts.replace, name, () => {
      replacing = true;
      fill(input, "");
      input.focus();
    });
    const clear = makeButton(input, texts.clear, name, () => {
      fill(input, "");
      keep.focus();
    });
    const keep = makeButton(input, texts.keep, name, () => {
      fill(input, kept);
      replace.focus();
    });
    show.setAttribute("aria-pressed", "false");
    tools.append(status, show, replace, clear, keep);

    function restore() {
      if (replacing && !input.value && kept) {
        fill(input, kept);
      }
      replacing = false;
    }
    input.addEventListener("blur", restore);
    input.addEventListener("keydown", (event) => event.key === "Enter" && restore());

    function say(value, stored) {
      if (stored) {
        return stored.text;
      }
      if (TYPED.test(value) || value === RETYPE) {
        return value === RETYPE ? texts.retype : texts.typed;
      }
      if (!kept || isReference(value)) {
        return "";
      }
      return value ? texts.replaced : replacing ? texts.typeNew : texts.cleared;
    }

    function sync(isTyping) {
      const value = input.value;
      const isHeld = STORED.test(value) || TYPED.test(value);
      const isNew = Boolean(value) && !isHeld && value !== RETYPE && !isReference(value);
      if (isHeld || (value !== last && !isTyping)) {
        kept = isHeld ? value : ""; // another entry of the list has moved into this input
      }
      last = value;
      const stored = STORED.test(value) ? told.stored.get(value) || { text: texts.stored, exact: "" } : null;
      const text = say(value, stored);
      if (status.textContent !== text) {
        status.textContent = text;
      }
      const exact = stored ? stored.exact : "";
      if (status.title !== exact) {
        status.title = exact;
      }
      show.hidden = !isNew;
      replace.hidden = clear.hidden = !isHeld;
      keep.hidden = !kept || isHeld;
      tools.hidden = !text && !isNew && !isHeld && keep.hidden;
      if (!isNew && input.classList.contains("dps-shown")) {
        show.click();
      }
    }
    return { element: tools, sync: sync, describes: status };
  }

  // A reference: the value stands in the environment, in a file

  function addSwitch(input, name, told) {
    const texts = told.texts;
    const box = make("div", "dps-where");
    const options = [["", texts.value], ...told.sources.map((source) => [source.kind, source.title])];
    const where = relate(makeSelect("dps-source", options), input, texts.where, name);
    const covering = make("div", "dps-where-name", { hidden: true });
    const typed = make("input", "", { type: "text", spellcheck: false, autocomplete: "off" });
    const tick = make("span", "dps-tick");
    const help = make("span", "rjf-help-text");
    const saved = { "": "" };
    let names = null;
    let shown = null;
    box.append(where, covering);

    function put(target) {
      fill(input, JSON.stringify({ [where.value]: target }));
    }

    function draw(source) {
      shown = source;
      names = makeSelect("dps-name", [
        ["", texts.choose],
        ...source.names.map((one) => [one.name, (one.works === null ? "" : one.works ? "\u2713 " : "\u2717 ") + one.name]),
        [OTHER, texts.other],
      ]);
      relate(names, input, source.title, name);
      names.addEventListener("change", () => {
        typed.hidden = names.value !== OTHER;
        if (typed.hidden) {
          put(names.value);
        } else {
          typed.focus();
        }
      });
      relate(typed, input, source.title, name);
      help.textContent = texts.allowed + " " + source.allowed;
      covering.replaceChildren(names, typed, tick, help);
    }

    where.addEventListener("change", () => {
      const before = readReference(input.value, told.sources);
      saved[before ? before.source.kind : ""] = input.value;
      input.blur();
      fill(input, saved[where.value] || (where.value && JSON.stringify({ [where.value]: "" })) || "");
      (where.value && names ? names : input).focus();
    });
    typed.addEventListener("input", () => put(typed.value));
    passFocusOn(input, covering);

    function sync() {
      const reference = readReference(input.value, told.sources);
      const kind = reference ? reference.source.kind : "";
      if (where.value !== kind) {
        where.value = kind;
      }
      cover(input, covering, Boolean(reference) && document.activeElement !== input);
      if (!reference) {
        return;
      }
      if (shown !== reference.source) {
        draw(reference.source);
      }
      const found = reference.source.names.find((one) => one.name === reference.name);
      const isOther = !found && (Boolean(reference.name) || document.activeElement === typed);
      names.value = found ? found.name : isOther ? OTHER : "";
      typed.hidden = !isOther;
      if (typed.value !== reference.name) {
        typed.value = reference.name;
      }
      const text = found && found.works !== null ? (found.works ? "\u2713 " + texts.works : "\u2717 " + texts.fails) : "";
      if (tick.textContent !== text) {
        tick.textContent = text;
      }
      tick.classList.toggle("dps-fails", Boolean(found) && found.works === false);
    }
    return { element: box, covering: covering, sync: sync };
  }

  // Dates, times, durations, choices

  function addPicker(input, name, told, kind) {
    if (kind === "date-time") {
      const picker = make("input", "dps-picker", { type: "datetime-local", step: 1 });
      relate(picker, input, told.texts.choose, name);
      picker.addEventListener("input", () => {
        const zone = /(?:Z|[+-]\d\d:?\d\d)$/.exec(input.value);
        fill(input, picker.value && picker.value + (zone ? zone[0] : ""));
      });
      const sync = () => {
        const local = input.value.slice(0, 19);
        if (document.activeElement !== picker && picker.value !== local) {
          picker.value = local;
        }
      };
      return { element: picker, sync: sync };
    }
    const probe = make("input", "", { type: kind, step: kind === "time" ? 1 : "any" });
    return {
      sync: () => {
        probe.value = input.value;
        const fits = !input.value || probe.value.startsWith(input.value) || input.value.startsWith(probe.value + ":00");
        const type = fits && (probe.value || !input.value) ? kind : "text";
        if (input.type !== type && document.activeElement !== input) {
          input.step = probe.step;
          input.type = type;
        }
      },
    };
  }

  function addDuration(input, name, told) {
    const covering = make("span", "dps-duration", { hidden: true });
    const amount = make("input", "", { type: "number", min: 0, step: 1 });
    const unit = relate(makeSelect("", UNITS.map(([key]) => [key, told.texts[key]])), input, told.texts.unit, name);
    amount.setAttribute("aria-label", name);
    covering.append(amount, unit);
    passFocusOn(input, covering);

    function put() {
      const [, , letter] = UNITS.find(([key]) => key === unit.value);
      const text = amount.value && "P" + (letter === "D" ? "" : "T") + amount.value + letter;
      fill(input, text);
    }
    amount.addEventListener("input", put);
    unit.addEventListener("change", put);

    function sync() {
      const found = DURATION.exec(input.value);
      cover(input, covering, Boolean(found) || !input.value);
      if (!found || covering.contains(document.activeElement)) {
        return;
      }
      const seconds = UNITS.reduce((sum, [, size], index) => sum + size * Number(found[index + 1] || 0), 0);
      const [key, size] = UNITS.find(([, one]) => seconds % one === 0 && seconds) || UNITS[3];
      amount.value = input.value && seconds / size;
      unit.value = key;
    }
    return { element: covering, covering: covering, sync: sync };
  }

  function addChoices(input, name, choices) {
    const covering = make("fieldset", "dps-choices", { hidden: true });
    covering.append(make("legend", "dps-unseen", { textContent: name }));
    const boxes = choices.map((choice) => {
      const label = make("label", "");
      const box = make("input", "", { type: "checkbox", value: choice.value });
      label.append(box, " ", choice.title);
      covering.append(label);
      return box;
    });
    covering.addEventListener("change", () => {
      fill(input, "[" + boxes.filter((box) => box.checked).map((box) => box.value).join(", ") + "]");
    });
    passFocusOn(input, covering);

    function sync() {
      let chosen = null;
      try {
        chosen = JSON.parse(input.value || "[]").map((one) => JSON.stringify(one));
      } catch (error) {
        chosen = null; // what was typed is no list of choices
      }
      const fits = chosen && chosen.every((one) => choices.some((choice) => choice.value === one));
      cover(input, covering, Boolean(fits));
      boxes.forEach((box) => {
        box.checked = Boolean(fits) && chosen.includes(box.value);
      });
    }
    return { element: covering, covering: covering, sync: sync };
  }

  // Together

  function isText(input) {
    return input.tagName === "TEXTAREA" || ["text", "date", "time"].includes(input.type);
  }

  function build(input, schema, name, told) {
    const isReference = (value) => Boolean(readReference(value, told.sources)) || /^\s*\{\s*"\$\w+"/.test(value);
    const parts = [];
    if (told.sources.length && isText(input) && !input.readOnly && !schema.dpsChoices && !schema.dpsPlain) {
      parts.push(addSwitch(input, name, told));
    }
    if (schema.dpsSecret) {
      parts.push(addSecret(input, name, told, isReference));
    } else if (schema.dpsChoices) {
      parts.push(addChoices(input, name, schema.dpsChoices));
    } else if (schema.dpsInput === "duration") {
      parts.push(addDuration(input, name, told));
    } else if (schema.dpsInput) {
      parts.push(addPicker(input, name, told, schema.dpsInput));
    }
    const drawn = parts.filter((part) => part.element).map((part) => part.element);
    drawn.filter((element) => element.classList.contains("dps-where")).forEach((element) => input.before(element));
    drawn.filter((element) => !element.classList.contains("dps-where")).reverse().forEach((element) => input.after(element));
    const sync = (isTyping) => parts.forEach((part) => part.sync(isTyping === true));
    const hear = () => sync(true);
    const settle = () => window.setTimeout(sync, 0);
    input.addEventListener("input", hear);
    input.addEventListener("blur", settle);
    return {
      sync: sync,
      describes: parts.filter((part) => part.describes).map((part) => part.describes),
      coverings: parts.filter((part) => part.covering).map((part) => part.covering),
      remove: () => {
        input.removeEventListener("input", hear);
        input.removeEventListener("blur", settle);
        drawn.forEach((element) => element.remove());
        input.classList.remove("dps-covered");
      },
    };
  }

  const built = new WeakMap();

  /* Add to an input what its schema asks for, or bring it up to date. */
  function decorate(input, schema, name, told) {
    const key = JSON.stringify([schema.dpsSecret, schema.dpsInput, schema.dpsChoices, name]);
    let found = built.get(input);
    if (found && found.key !== key) {
      found.remove(); // the renderer has given the input to another field
      found = null;
    }
    if (!found) {
      found = Object.assign(build(input, schema, name, told), { key: key });
      built.set(input, found);
    }
    found.sync();
    return found;
  }

  window.djangoPluginSystem = { decorate: decorate, isHeld: (value) => value === RETYPE || TYPED.test(value) || STORED.test(value) };
})();
