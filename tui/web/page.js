// The terminal is there once the page is loaded; keys are its own from the beginning.
window.addEventListener("load", () => document.querySelector(".xterm-helper-textarea")?.focus());
