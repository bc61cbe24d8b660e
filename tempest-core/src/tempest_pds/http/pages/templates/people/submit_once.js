// Submits a form once: a second click, before the page of the first has come, would only undo what that has begun.
(() => {
  let sent = -Infinity;
  addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    if (event.timeStamp - sent < 10000) event.preventDefault();
    else sent = event.timeStamp;
  });
  addEventListener("pageshow", () => (sent = -Infinity));
})();
