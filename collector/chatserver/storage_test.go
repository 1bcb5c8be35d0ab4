package chatserver_test

import (
	"testing"

	"active_users_exporter/collector/chatserver"
)

func TestTogether(t *testing.T) {
	const inSQL, inMnesia, unlisted = chatserver.InSQL, chatserver.InMnesia, chatserver.Unlisted
	for _, c := range []struct {
		providers []chatserver.Storage
		want      chatserver.Storage
	}{
		{nil, unlisted}, // guests alone
		{[]chatserver.Storage{inSQL}, inSQL},
		{[]chatserver.Storage{inMnesia}, inMnesia},
		{[]chatserver.Storage{inSQL, inSQL}, inSQL},
		{[]chatserver.Storage{inSQL, inMnesia}, inMnesia},
		{[]chatserver.Storage{inSQL, unlisted}, unlisted},
		{[]chatserver.Storage{unlisted, inMnesia, inSQL}, unlisted},
	} {
		if got := chatserver.Together(c.providers...); got != c.want {
			t.Errorf("%v: %v, want %v", c.providers, got, c.want)
		}
	}
}
