package activity_test

import (
	"testing"

	"active_users_exporter/collector/activity"
)

func TestSynapseClasses(t *testing.T) {
	classes := activity.SynapseClasses()
	for agent, want := range map[string]string{
		"": "unknown",
		"Element/1.6.10 (Google Pixel 7; Android 14; Build/UP1A; Flavour GooglePlay; MatrixAndroidSdk2 1.6.10)": "android",
		"RIOT.IM/0.9.12 (LINUX; ANDROID 9)":                                                       "android",
		"Riot/1.4 (iPhone; iOS 13; Scale/4.00)":                                                   "ios",
		"Element X/25.05.4 (Google Pixel 8; Android 15; AP3A; Sdk 0.9.0)":                         "android",
		"ElementX/25.05 CFNetwork/1490 Darwin/23.2.0":                                             "unknown",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Element/1.11.70 Electron/30.0 Safari": "electron",
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0":                  "web",
		"Mozilla/5.0 (Linux; Android 14; Pixel 7) AppleWebKit/537.36 (KHTML, like Gecko) Mobile":  "web",
		"Mozilla/5.0 element":              "unknown", // never web with "element" in it
		"Electron/30.0":                    "unknown",
		"android":                          "unknown",
		"elemental radios":                 "ios", // the tests are for substrings
		"Mozilla patriotIOS":               "ios",
		"element electron android ios":     "electron", // the first rule wins
		"element android ios":              "android",
		"SchildiChat/1.6 (Android 14)":     "unknown",
		"gecko":                            "web",
		"e\u212Alement ios":                "unknown", // the Kelvin sign is no k: folding is for ASCII alone
		"ELEMENT \u0130OS":                 "unknown",
		"\xff\xfe Element \x00 (iOS) \xff": "ios",
	} {
		if got := classes.Names()[classes.Of([]byte(agent))]; got != want {
			t.Errorf("%q is %s, want %s", agent, got, want)
		}
	}
	if got := classes.Of(nil); got != activity.Unknown {
		t.Errorf("no agent is %d, want unknown", got)
	}
}
