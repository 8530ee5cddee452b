/** Stands for `@cloudflare/vite-plugin` while a Vite configuration is read; what it gives is left out by its name (plugins.mjs). */

export const cloudflare = () => [{ name: "vite-plugin-cloudflare" }];

export const getLocalWorkerdCompatibilityDate = () => ({ date: new Date().toISOString().slice(0, 10) });
