//go:build linux

package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

// honest is how many homeservers report on schedule during an attack.
const honest = 100

// TestAttack sends what strangers may send to receivers, all kinds at once, while a
// hundred homeservers report: none of their reports is refused or lost, the process
// stays small, and so does its store. ACTIVE_USERS_TEST_ATTACK is how long it lasts;
// `make attack` takes five minutes, and then also holds the receiver to its bars of
// time. All of it is sent to this machine, with addresses in X-Forwarded-For.
func TestAttack(t *testing.T) {
	lasts, bars := 8*time.Second, false
	if text := os.Getenv("ACTIVE_USERS_TEST_ATTACK"); text != "" {
		lasts, bars = must.Get(time.ParseDuration(text))(t), true
	}
	t.Run("one receiver", func(t *testing.T) { attack(t, t.TempDir(), 1, lasts, bars) })
	t.Run("two receivers of a database", func(t *testing.T) { attack(t, dbtest.PostgreSQL(t), 2, lasts, bars) })
}

// besieged is one of the receivers.
type besieged struct {
	command     *exec.Cmd
	push, pages string
}

func attack(t *testing.T, storage string, receivers int, lasts time.Duration, bars bool) {
	t.Helper()
	folder := t.TempDir()
	const limit = 16 // MiB
	must.WriteFile(t, folder+"/key", strings.Repeat("k", 16))
	must.WriteFile(t, folder+"/exporter.yml", fmt.Sprintf("storage: {path: %q, key_file: %q}\nreports: {max_store: %dMiB}\n", storage, folder+"/key", limit))
	var all []besieged
	for range receivers {
		reports, pages := freeAddress(t), freeAddress(t)
		command := exec.CommandContext(t.Context(), program, "serve", "--config.file="+folder+"/exporter.yml",
			"--web.listen-address="+pages, "--reports.listen-address="+reports, "--log.level=error")
		must.Succeed(t, command.Start())
		_ = must.Dial(t, reports).Close()
		all = append(all, besieged{command, "http://" + reports, "http://" + pages})
	}
	people := newHonest(all)
	people.report(0) // they are known before
	if bars {
		time.Sleep(65 * time.Second)
	}
	stop := make(chan struct{})
	var attackers sync.WaitGroup
	for _, r := range all {
		for _, kind := range attacks(r) {
			attackers.Go(func() { besiege(kind, stop) })
		}
	}
	highest := 0
	for began, round := time.Now(), 1; time.Since(began) < lasts; round++ {
		people.report(round)
		for _, r := range all {
			highest = max(highest, resident(t, r.command.Process.Pid))
		}
		time.Sleep(time.Second)
	}
	close(stop)
	attackers.Wait()
	people.check(t, bars)
	if !race && highest > 100<<10 {
		t.Errorf("%d MiB resident", highest>>10)
	}
	for _, r := range all {
		r.check(t, limit<<20, bars)
		must.Succeed(t, r.command.Process.Signal(os.Interrupt))
		_ = r.command.Wait()
	}
	t.Logf("%d reports of %d homeservers, the slowest of a hundred took %s; %d MiB at most", len(people.took), honest, people.percentile99(), highest>>10)
}

// besiege does something again and again, a hundred times a second at most.
func besiege(kind func(n int), stop <-chan struct{}) {
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-pace.C:
			kind(n)
		}
	}
}

// attacks are all that strangers do to a receiver.
func attacks(r besieged) []func(n int) {
	client := &http.Client{Timeout: 20 * time.Second}
	send := func(method, url, from, body string) {
		request, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			return
		}
		request.Header.Set("X-Forwarded-For", from)
		if response, err := client.Do(request); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
	}
	v4 := func(n int) string { return fmt.Sprintf("203.0.%d.%d", n/250%250, n%250) }
	push := r.push + "/report-usage-stats/push"
	large := strings.Repeat("x", 60_000)
	return []func(n int){
		func(n int) { send("PUT", push, v4(n), `{"homeserver":"[fe80::1%a\u0000`+fmt.Sprint(n)+`]"}`) },
		func(n int) {
			send("PUT", push, v4(n), fmt.Sprintf(`{"homeserver":"h%d.invented.example","pad":%q}`, n, large))
		},
		func(n int) {
			send("PUT", push, v4(n), fmt.Sprintf(`{"homeserver":"h%d.honest.example","total_users":666}`, n%honest))
		},
		func(n int) {
			send("PUT", push, fmt.Sprintf("2001:db8:1:2::%x", n+1), fmt.Sprintf(`{"homeserver":"six%d.example"}`, n))
		},
		func(n int) { send("PUT", push, "unknown", fmt.Sprintf(`{"homeserver":"hidden%d.example"}`, n)) },
		func(n int) { send("PUT", push, "198.51.100.7:4711", `{"homeserver":"flood.example"}`) },
		func(n int) {
			send("POST", r.push+"/mp/collect", v4(n), fmt.Sprintf(`{"client_id":"c%d","events":[{"name":"host_count","params":{"value":1}}]}`, n))
		},
		func(n int) { send("PUT", r.push+"//nowhere/", v4(n), strings.Repeat("[", 5000)) },
		func(n int) {
			send("GET", r.pages+fmt.Sprintf("/metrics?name[]=x%d&name[]=synapse_usage_total_users", n), "", "")
		},
		slowly(strings.TrimPrefix(r.push, "http://")),
	}
}

// slowly begins requests that never end, some hundred at a time.
func slowly(address string) func(n int) {
	const atOnce = 300
	open := make([]net.Conn, atOnce)
	return func(n int) {
		connection, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return
		}
		_, _ = io.WriteString(connection, "PUT /push HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
		if old := open[n%atOnce]; old != nil {
			_ = old.Close()
		}
		open[n%atOnce] = connection
	}
}

// homeservers report from an address each, to the receivers in turn.
type homeservers struct {
	receivers []besieged
	client    *http.Client

	mutex    sync.Mutex
	took     []time.Duration
	refused  []string
	accepted atomic.Int64
}

func newHonest(receivers []besieged) *homeservers {
	return &homeservers{receivers: receivers, client: &http.Client{Timeout: 30 * time.Second}}
}

func (h *homeservers) report(round int) {
	var sent sync.WaitGroup
	for n := range honest {
		sent.Go(func() {
			time.Sleep(time.Duration(n) * 5 * time.Millisecond) // not all at once
			body := fmt.Sprintf(`{"homeserver":"h%d.honest.example","total_users":%d}`, n, 1000+round)
			request, err := http.NewRequest(http.MethodPut, h.receivers[(n+round)%len(h.receivers)].push+"/push", strings.NewReader(body))
			if err != nil {
				panic(err)
			}
			request.Header.Set("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", n+1))
			began := time.Now()
			response, err := h.client.Do(request)
			h.note(time.Since(began), response, err)
		})
	}
	sent.Wait()
}

func (h *homeservers) note(took time.Duration, response *http.Response, err error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.took = append(h.took, took)
	if err != nil {
		h.refused = append(h.refused, err.Error())
		return
	}
	answer, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		h.refused = append(h.refused, fmt.Sprint(response.StatusCode, " ", string(answer)))
		return
	}
	h.accepted.Add(1)
}

func (h *homeservers) percentile99() time.Duration {
	slices.Sort(h.took)
	return h.took[len(h.took)*99/100]
}

func (h *homeservers) check(t *testing.T, bars bool) {
	t.Helper()
	if len(h.refused) > 0 {
		t.Errorf("%d of %d reports of honest homeservers were refused, such as with %s", len(h.refused), len(h.took), h.refused[0])
	}
	if p99 := h.percentile99(); bars && p99 > time.Second {
		t.Errorf("one answer in a hundred takes more than %s", p99)
	}
}

// check looks at what a receiver shows of itself afterwards.
func (r besieged) check(t *testing.T, most float64, bars bool) {
	t.Helper()
	began := time.Now()
	response, err := http.Get(r.pages + "/metrics")
	must.Succeed(t, err)
	defer func() { _ = response.Body.Close() }()
	page := string(must.Get(io.ReadAll(response.Body))(t))
	if took := time.Since(began); bars && took > 100*time.Millisecond {
		t.Errorf("/metrics took %s", took)
	}
	for n := range honest {
		if !strings.Contains(page, fmt.Sprintf(`synapse_usage_total_users{homeserver="h%d.honest.example"}`, n)) {
			t.Fatalf("homeserver %d is not shown", n)
		}
	}
	var bytes float64
	for line := range strings.Lines(page) {
		if rest, found := strings.CutPrefix(line, "active_users_exporter_reports_store_bytes "); found {
			_, _ = fmt.Sscan(rest, &bytes)
		}
	}
	if bytes == 0 || bytes > most*1.2 {
		t.Errorf("the store has %.0f bytes, and may have %.0f", bytes, most)
	}
}

// resident is the memory of a process, in kB (Linux: proc(5), VmRSS).
func resident(t *testing.T, process int) int {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(content), "VmRSS:")
	size, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return size
}
