// What @grafana/ui imports as the default export of react-custom-scrollbars-2,
// a CommonJS module whose default a bundler gives to an .mjs file only wrapped.
export { Scrollbars as default } from 'react-custom-scrollbars-2/lib/index.js';
