// Runs before the first paint, so that the page doesn't flash in the wrong theme.
const chosen = localStorage.getItem("counterfoil.theme");
if (chosen) document.documentElement.dataset.theme = chosen;
