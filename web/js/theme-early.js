// Runs before the first paint, so that a stored choice never flashes the other theme.
(function () {
  var choice = null;
  try {
    choice = localStorage.getItem("ganwatch.theme");
  } catch (error) {
    choice = null; // Storage is off: follow the system.
  }
  var dark = choice === "dark" || (choice !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
