/** One observer for everything on a page that works only while it can be seen. */

/** @type {WeakMap<Element, (visible: boolean) => void>} */
const callbacks = new WeakMap();

const observer = new IntersectionObserver(
  (entries) => entries.forEach((entry) => callbacks.get(entry.target)?.(entry.isIntersecting)),
  { rootMargin: "240px 0px" },
);

/** @param {Element} element @param {(visible: boolean) => void} callback @returns {() => void} Stops watching. */
export function whenVisible(element, callback) {
  callbacks.set(element, callback);
  observer.observe(element);
  return () => {
    observer.unobserve(element);
    callbacks.delete(element);
  };
}
