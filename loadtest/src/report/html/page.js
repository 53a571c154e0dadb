"use strict";
{
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const night = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : night.matches);
  const name = () => (button.textContent = isDark() ? "Light" : "Dark");
  button.hidden = false;
  button.onclick = () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    name();
  };
  night.addEventListener("change", name);
  name();

  const tip = document.getElementById("tip");
  let on = null;
  const show = (element) => {
    if (on) on.classList.remove("on");
    on = element;
    tip.hidden = !on;
    if (!on) return;
    on.classList.add("on");
    tip.textContent = on.dataset.tip;
    const at = on.getBoundingClientRect();
    const left = Math.min(Math.max(8, at.left + at.width / 2 - tip.offsetWidth / 2), innerWidth - tip.offsetWidth - 8);
    const above = at.top - tip.offsetHeight - 8;
    tip.style.left = left + "px";
    tip.style.top = (above > 4 ? above : Math.min(at.bottom + 8, innerHeight - tip.offsetHeight - 4)) + "px";
  };
  document.addEventListener("pointerover", (event) => show(event.target.closest?.("[data-tip]") ?? null));
  addEventListener("scroll", () => show(null), { passive: true });
  for (const chart of document.querySelectorAll(".chart")) {
    const tips = [...chart.querySelectorAll("[data-tip]")];
    chart.addEventListener("blur", () => show(null));
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (event.key === "Escape") show(null);
      if (!step || !tips.length) return;
      event.preventDefault();
      const from = tips.indexOf(on);
      show(tips[from < 0 ? (step > 0 ? 0 : tips.length - 1) : Math.min(Math.max(from + step, 0), tips.length - 1)]);
    });
  }
  const open = () => document.querySelectorAll("details").forEach((element) => (element.open = true));
  addEventListener("beforeprint", open);
}
