/* Runs a test without leaving the page, so that what was typed stays. Without this script the form is sent as usual. */
(function () {
  "use strict";

  function show(box, kind, text, problems) {
    box.className = "dps-test-result dps-test-" + kind;
    box.replaceChildren(Object.assign(document.createElement("p"), { textContent: text }));
    if (problems.length) {
      const list = document.createElement("ul");
      list.append(...problems.map((problem) => Object.assign(document.createElement("li"), { textContent: problem })));
      box.append(list);
    }
  }

  async function ask(form, box) {
    const body = new FormData(form);
    body.append(box.dataset.button, "1");
    let response;
    try {
      response = await fetch(form.action, { method: "POST", body: body, headers: { Accept: "application/json" } });
    } catch {
      return { message: box.dataset.unreachable, problems: [] };
    }
    if (!response.ok || !(response.headers.get("Content-Type") || "").startsWith("application/json")) {
      return { message: box.dataset.broken + " " + response.status + " " + response.statusText, problems: [] };
    }
    return response.json();
  }

  async function test(form, box) {
    if (box.getAttribute("aria-busy") === "true") {
      return;
    }
    box.setAttribute("aria-busy", "true");
    show(box, "running", box.dataset.running, []);
    const answer = await ask(form, box);
    box.setAttribute("aria-busy", "false");
    show(box, answer.passed ? "passed" : "failed", answer.message, answer.problems);
  }

  function start() {
    document.querySelectorAll(".dps-test-result").forEach((box) => {
      const form = box.closest("form");
      const forget = () => {
        if (box.getAttribute("aria-busy") !== "true") {
          box.replaceChildren(); // what is in the form is not what was tested any more
        }
      };
      form.addEventListener("input", forget);
      form.addEventListener("change", forget);
      form.addEventListener("submit", (event) => {
        if (event.submitter && event.submitter.name === box.dataset.button) {
          event.preventDefault();
          test(form, box);
        }
      });
    });
  }

  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", start);
  } else {
    start();
  }
})();
