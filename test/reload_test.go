package test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"active_users_exporter/test/must"
	"active_users_exporter/test/samples"
)

// Reloading under load: with a broken file the old configuration keeps working,
// with a good one servers come and go, and no scrape lacks the figures of a
// server that stays, whether its settings change or not.
func TestReloadUnderLoad(t *testing.T) {
	directory := t.TempDir()
	must.Succeed(t, samples.Unpack("..", directory))
	sound := "  - {name: sound, software: synapse, from: 'sqlite:" + directory + "/homeserver.db'}\n"
	other := "  - {name: other, software: prosody, from: '" + directory + "/prosody'}\n"
	t.Setenv("ACTIVE_USERS_NOW", fmt.Sprint(samples.Now().Unix()))
	p := startServing(t, t.TempDir(), sound+other)
	file := strings.TrimPrefix(p.Args[1], "--config.file=")
	content, err := os.ReadFile(file)
	must.Succeed(t, err)
	good := p.scrape(t).Figures("sound")
	if len(good) < 10 {
		t.Fatalf("only %d figures", len(good))
	}

	stop, scrapes := make(chan struct{}), 0
	var load sync.WaitGroup
	var mutex sync.Mutex
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				now := p.scrape(t).Figures("sound")
				for name, value := range good {
					if now[name] != value && !t.Failed() {
						t.Errorf("%s was %s, and is %q", name, value, now[name])
					}
				}
				mutex.Lock()
				scrapes++
				mutex.Unlock()
			}
		})
	}
	for n := range 12 {
		added := ""
		if n%2 == 0 {
			added = strings.Replace(other, "other", fmt.Sprint("added", n), 1)
		}
		for _, c := range []struct {
			content string
			status  int
		}{
			{string(content) + "    mistake: yes\n", http.StatusInternalServerError},
			{"servers: [", http.StatusInternalServerError},
			{strings.Replace(string(content), "servers:", fmt.Sprintf("stale_after: %dh\nservers:", 4+n), 1) + added, http.StatusOK},
		} {
			must.WriteFile(t, file, c.content)
			must.Succeed(t, p.Process.Signal(syscall.SIGHUP))
			response, err := http.Post("http://"+p.metrics+"/-/reload", "", nil)
			must.Succeed(t, err)
			must.Succeed(t, response.Body.Close())
			if response.StatusCode != c.status {
				t.Errorf("reload: %d, want %d", response.StatusCode, c.status)
			}
			if shown := p.scrape(t)["active_users_exporter_config_last_reload_successful"]; (shown == "1") != (c.status == http.StatusOK) {
				t.Errorf("reloaded with %d, shown as %q", c.status, shown)
			}
		}
	}
	close(stop)
	load.Wait()
	if scrapes < 20 {
		t.Errorf("only %d scrapes", scrapes)
	}
	must.Succeed(t, p.Process.Signal(syscall.SIGTERM))
	<-p.exited
	if code := p.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, &p.log)
	}
}
