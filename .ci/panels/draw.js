// draw.js PROMETHEUS NOW FOLDER: draws every dashboard as of NOW (Unix seconds)
// and writes screenshots to FOLDER. Fails if a panel has no data or does not
// work, and if the browser's console has anything to complain about.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { chromium } from 'playwright-core';
import { createServer } from 'vite';

const [prometheus, now, folder] = process.argv.slice(2);
const here = import.meta.dirname;
const size = { width: 1440, height: 900 };

// from is the range of each screenshot; without one it is the dashboard's own.
const from = { overview: 'now-60d', retention: 'now-60d', reports: 'now-30d' };

async function draw(browser, address, name) {
	const complaints = [];
	const page = await browser.newPage({ viewport: size });
	page.on('pageerror', (error) => complaints.push(String(error)));
	page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
	const asked = new URLSearchParams({ dashboard: name, now, scrape: '15m', ...(from[name] && { from: from[name] }) });
	await page.goto(`${address}?${asked}`);
	const panels = await page.waitForFunction(() => window.drawn, null, { timeout: 120_000 })
		.then((handle) => handle.jsonValue())
		.catch((error) => { throw new Error(`${name}: ${[error, ...complaints].join('\n')}`); });
	await page.screenshot({ path: `${folder}/dashboard-${name}.png`, fullPage: true });
	await page.close();
	return [...panels.filter((p) => p.state !== 'ok').map((p) => `${p.title}: ${p.state}`), ...complaints];
}

// fonts are where Grafana's styles look for them.
const fonts = {
	name: 'fonts',
	configureServer(server) {
		server.middlewares.use('/public/fonts/inter', (request, response, next) => {
			const weight = { '/Inter-Regular.woff2': 400, '/Inter-Medium.woff2': 500 }[request.url];
			return weight ? response.end(readFileSync(`${here}/node_modules/@fontsource/inter/files/inter-latin-${weight}-normal.woff2`)) : next();
		});
	},
};

const server = await createServer({
	root: here, configFile: false, logLevel: 'error', plugins: [fonts], esbuild: { jsx: 'automatic' },
	define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
	resolve: { alias: [{ find: /^react-custom-scrollbars-2$/, replacement: `${here}/scrollbars.js` }] },
	optimizeDeps: { entries: ['index.html'], force: true },
	server: { host: '127.0.0.1', fs: { allow: [resolve(here, '../..')] }, proxy: { '/api': prometheus }, hmr: false, watch: null },
});
await server.listen();
const browser = await chromium.launch({
	executablePath: '/usr/bin/chromium',
	args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
let failed = false;
try {
	for (const file of readdirSync(resolve(here, '../../dashboards')).filter((file) => file.endsWith('.json'))) {
		const name = basename(file, '.json');
		const wrong = await draw(browser, server.resolvedUrls.local[0], name);
		console.log(`  ${name}: ${wrong.length ? 'FAILED' : 'ok'}`);
		wrong.forEach((line) => console.error(`    ${line}`));
		failed ||= wrong.length > 0;
	}
} finally {
	await browser.close();
	await server.close();
}
process.exit(failed ? 1 : 0);
