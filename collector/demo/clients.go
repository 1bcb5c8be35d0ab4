package demo

// client is a program that people use, with the user agents of a few of its
// versions on a few systems.
type client struct {
	share  int
	agents []string
}

// clients lists Matrix clients. To Synapse's r30v2, Element's own apps are
// android, ios and electron, browsers are web, and the rest is unknown.
func clients() []client {
	return []client{
		{19, []string{ // Element Android
			"Element/1.6.24 (Samsung SM-A546B; Android 14; UP1A.231005.007; Flavour GooglePlay; MatrixAndroidSdk2 1.6.24)",
			"Element/1.6.22 (Google Pixel 6a; Android 15; AP4A.250105.002; Flavour FDroid; MatrixAndroidSdk2 1.6.22)",
			"Element/1.6.18 (Xiaomi Redmi Note 11; Android 13; TKQ1.221114.001; Flavour GooglePlay; MatrixAndroidSdk2 1.6.18)",
		}},
		{14, []string{ // Element X Android
			"Element X/25.06.0 (Google Pixel 8; Android 15; BP1A.250505.005; Sdk 25.6.2)",
			"Element X/25.05.4 (Fairphone FP5; Android 14; UKQ1.240116.001; Sdk 25.5.20)",
		}},
		{10, []string{ // Element iOS
			"Element/1.11.26 (iPhone 13; iOS 17.7; Scale/3.00)",
			"Element/1.11.22 (iPad Air; iOS 16.7; Scale/2.00)",
		}},
		{9, []string{ // Element X iOS
			"Element X/25.06.1 (iPhone 15; iOS 18.5; Scale/3.00)",
			"Element X/25.05.2 (iPhone SE; iOS 17.6; Scale/2.00)",
		}},
		{15, []string{ // Element Desktop
			"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Element/1.11.102 Chrome/136.0.7103.93 Electron/36.2.1 Safari/537.36",
			"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Element/1.11.100 Chrome/134.0.6998.179 Electron/35.1.5 Safari/537.36",
			"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Element/1.11.96 Chrome/132.0.6834.210 Electron/34.3.2 Safari/537.36",
		}},
		{19, []string{ // Element Web, Cinny and the like, in a browser
			"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:139.0) Gecko/20100101 Firefox/139.0",
			"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
			"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36",
			"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
			"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Mobile Safari/537.36",
		}},
		{4, []string{ // SchildiChat
			"SchildiChat/1.6.20.sc82 (OnePlus 9; Android 14; UKQ1.230924.001; Flavour FDroid; MatrixAndroidSdk2 1.6.20)",
		}},
		{5, []string{ // FluffyChat
			"Dart/3.7 (dart:io)",
			"FluffyChat 2.0.0",
		}},
		{2, []string{"mtxclient v0.10.1"}},                 // Nheko
		{2, []string{"curl/8.14.1", "matrix-nio/0.25.2"}},  // scripts and bots
		{1, []string{""}},                                  // sends none
	}
}

// agents returns the user agents of one or two different clients, the
// preferred one first.
func (m *model) agents() []string {
	all := clients()
	shares := make([]int, len(all))
	for i, c := range all {
		shares[i] = c.share
	}
	count := 1
	if m.chance(twoClients) {
		count = 2
	}
	var agents []string
	for range count {
		i := m.pick(shares)
		agents = append(agents, all[i].agents[m.rng.IntN(len(all[i].agents))])
		shares[i] = 0
	}
	return agents
}
