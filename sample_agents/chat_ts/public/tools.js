// The tools that only a browser can run.
export const tools = {
  whereAmI: () => ({ timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone, language: navigator.language }),
};
