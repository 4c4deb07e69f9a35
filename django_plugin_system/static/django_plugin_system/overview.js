/* Does what a button of the overview says without leaving the page, and lets instances be dragged. Without this script
   each button sends its form, and the page comes anew. */
(function () {
  "use strict";

  let dragged = null;

  function announce(box, kind, text) {
    box.className = "dps-announce dps-" + kind;
    box.textContent = text;
  }

  async function send(form, values) {
    const box = document.querySelector(".dps-announce");
    const shown = document.getElementById("dps-overview");
    if (shown.getAttribute("aria-busy") === "true") {
      return;
    }
    const focused = document.activeElement && document.activeElement.id;
    const body = new FormData(form);
    Object.entries(values).forEach(([name, value]) => body.append(name, value));
    shown.setAttribute("aria-busy", "true");
    announce(box, "running", values.do === "test" ? box.dataset.running : "");
    let page;
    try {
      const response = await fetch(window.location.href, { method: "POST", body: body });
      page = new DOMParser().parseFromString(await response.text(), "text/html");
      if (!page.getElementById("dps-overview")) {
        throw new Error(response.statusText);
      }
    } catch {
      announce(box, "bad", box.dataset.unreachable);
      shown.setAttribute("aria-busy", "false");
      return;
    }
    const told = page.querySelectorAll(".messagelist li");
    shown.replaceWith(page.getElementById("dps-overview"));
    start();
    const failed = page.querySelector(".messagelist .error");
    announce(box, failed ? "bad" : "good", Array.from(told, (item) => item.textContent.trim()).join(" "));
    const again = focused && (document.getElementById(focused) || document.querySelector("#of-" + form.elements.instance.value + " button"));
    if (again) {
      again.focus();
    }
  }

  function getMove(line, name) {
    return line.querySelector('[id^="' + name + '-"]');
  }

  function startLine(line) {
    const form = line.querySelector("form");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form, { [event.submitter.name]: event.submitter.value });
    });
    line.addEventListener("keydown", (event) => {
      const button = { ArrowUp: getMove(line, "up"), ArrowDown: getMove(line, "down") }[event.key];
      if (button && event.target.classList.contains("dps-move")) {
        event.preventDefault();
        button.focus();
        button.click();
      }
    });
    if (!getMove(line, "up") && !getMove(line, "down")) {
      return;
    }
    line.draggable = true;
    line.addEventListener("dragstart", () => {
      dragged = line;
    });
    line.addEventListener("dragover", (event) => {
      if (dragged && dragged !== line && dragged.parentElement === line.parentElement && dragged.dataset.tier === line.dataset.tier) {
        event.preventDefault();
        line.classList.add("dps-over");
      }
    });
    line.addEventListener("dragleave", () => line.classList.remove("dps-over"));
    line.addEventListener("drop", (event) => {
      event.preventDefault();
      const isLower = dragged.compareDocumentPosition(line) & Node.DOCUMENT_POSITION_FOLLOWING;
      const next = line.nextElementSibling;
      const follower = next && next.dataset.tier === line.dataset.tier ? next.dataset.pk : "";
      send(dragged.querySelector("form"), { before: isLower ? follower : line.dataset.pk });
    });
  }

  function start() {
    document.querySelectorAll(".dps-line").forEach((line) => {
      if (line.querySelector("form")) {
        startLine(line);
      }
    });
  }

  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", start);
  } else {
    start();
  }
})();
