package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"active_users_exporter/collector/demo"
	"active_users_exporter/collector/sqldb"
)

// Of a hundred servers thirty are broken, each third in another way. The
// seventy are read and shown as if they were alone; of the thirty there are no
// figures, least of all zeros; and nothing stays behind.
func TestThirtyOfAHundredServersAreBroken(t *testing.T) {
	leavesNothing(t, thirtyOfAHundred)
}

func thirtyOfAHundred(t *testing.T) {
	folder := t.TempDir()
	must(t, demo.Synapse(t.Context(), filepath.Join(folder, "synapse.db"), sampleClock(), 100, 1))
	must(t, demo.Prosody(t.Context(), filepath.Join(folder, "prosody"), sampleClock(), 100, 1))
	writeFile(t, filepath.Join(folder, "garbage.db"), strings.Repeat("garbage ", 9999))
	writeFile(t, filepath.Join(folder, "empty.db"), "")
	useless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else it is not noticed when the other side hangs up
		switch r.URL.Path[1:] {
		case "html":
			_, _ = io.WriteString(w, "<html>")
		case "hangs":
			<-r.Context().Done()
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(useless.Close)
	broken := []string{
		"software: synapse, from: 'sqlite:" + folder + "/gone.db'",
		"software: synapse, from: 'sqlite:" + folder + "/garbage.db'",
		"software: prosody, from: 'sqlite:" + folder + "/empty.db'",
		"software: prosody, from: '" + folder + "/not mounted'",
		"software: prosody, from: '" + t.TempDir() + "'",
		"software: synapse, from: 'postgres://u@" + freeAddress(t) + "/synapse'",
		"software: mongooseim, from: 'mysql://u@" + freeAddress(t) + "/mongooseim'",
		"software: mongooseim, from: '" + useless.URL + "/html'",
		"software: ejabberd, from: '" + useless.URL + "/denied'",
		"software: ejabberd, from: '" + useless.URL + "/hangs'",
	}
	sound := []string{
		"software: synapse, from: 'sqlite:" + folder + "/synapse.db'",
		"software: prosody, from: '" + folder + "/prosody'",
	}
	content := "servers:\n"
	for n := range 100 {
		if n%10 < 3 {
			content += fmt.Sprintf("  - {name: broken%d, %s}\n", n, broken[n/10])
		} else {
			content += fmt.Sprintf("  - {name: sound%d, %s}\n", n, sound[n%2])
		}
	}
	exporter, _ := newTestExporter(t, content)
	handler := exporter.Pages("/metrics", nil)
	ctx, stop := context.WithCancel(t.Context())
	must(t, exporter.Reload(ctx))
	var shown series
	waitUntil(t, func() bool {
		_, page := get(t, handler, http.MethodGet, "/metrics")
		shown = seriesOf(page)
		up := 0
		for name, value := range shown.only("chat_server_up{") {
			if value == "1" && strings.Contains(name, "sound") {
				up++
			}
		}
		return up == 70
	})
	if n := len(shown.only("chat_server_up{")); n != 100 {
		t.Errorf("%d servers are shown", n)
	}
	first := []series{shown.figures("sound4"), shown.figures("sound3")}
	for n := range 100 {
		if n%10 < 3 {
			name := fmt.Sprintf("broken%d", n)
			if figures := shown.figures(name); len(figures) != 1 || shown[`chat_server_up{server="`+name+`"}`] != "0" { // failures of the history
				t.Errorf("%s shows %v", name, figures)
			}
			continue
		}
		name := fmt.Sprintf("sound%d", n)
		alike := series{}
		for series, value := range shown.figures(name) {
			alike[strings.Replace(series, `"`+name+`"`, fmt.Sprintf(`"sound%d"`, 4-n%2), 1)] = value
		}
		checkFigures(t, name, first[n%2], alike)
	}
	stop()
	exporter.Wait(10 * time.Second)
}

// Ten thousand domains in one server, twenty times as many as 500, take about
// twenty times as long to refresh and to scrape, and as much memory: linear, with
// room for noise.
func TestTenThousandDomains(t *testing.T) {
	const few, many, room = domains / 20, domains, 5
	measure := func(hosts int) map[string]float64 {
		path := filepath.Join(t.TempDir(), "ejabberd.db")
		makeSQLite(t, path, ejabberdTables(hosts, 3)...)
		before := heapInUse()
		e := newByHand(t, fmt.Sprintf("storage: {path: '%s'}\nservers: [{name: many, software: ejabberd, from: 'sqlite:%s'}]\n", t.TempDir(), path), faultsAt)
		refresh := func() { must(t, e.refresh(t, "many")) }
		scrape := func() {
			if n := len(e.scrape(t).only("chat_active_users{")); n != 3*hosts {
				t.Fatalf("%d series, want %d", n, 3*hosts)
			}
		}
		cost := map[string]float64{"first refresh": seconds(refresh)}
		e.advance(time.Minute)
		cost["refresh"], cost["scrape"] = min(seconds(refresh), seconds(refresh)), min(seconds(scrape), seconds(scrape))
		cost["memory"] = float64(heapInUse() - before)
		runtime.KeepAlive(e)
		return cost
	}
	first, second := measure(few), measure(many)
	t.Logf("%d domains: %v; %d domains: %v", few, first, many, second)
	for what := range first {
		if ratio := second[what] / first[what]; ratio > room*many/few {
			t.Errorf("%s: %.0f times as much for %d times as many domains", what, ratio, many/few)
		}
	}
}

func seconds(action func()) float64 {
	began := time.Now()
	action()
	return time.Since(began).Seconds()
}

// A hundred scrapes at a time, during refreshes of records that change: each
// answer is complete, and all of a server's series in it are from one moment.
func TestScrapesDuringRefreshes(t *testing.T) {
	leavesNothing(t, scrapesDuringRefreshes)
}

func scrapesDuringRefreshes(t *testing.T) {
	const hosts, scrapers, refreshes = 5, 100, 20
	path := filepath.Join(t.TempDir(), "ejabberd.db")
	makeSQLite(t, path, ejabberdTables(hosts, 1)...)
	db, err := sqldb.CreateSQLite(path)
	must(t, err)
	defer func() { _ = db.Close() }()
	e := newByHand(t, "servers: [{name: growing, software: ejabberd, from: 'sqlite:"+path+"'}]\n", faultsAt)
	must(t, e.refresh(t, "growing"))
	complete := len(e.scrape(t).figures("growing"))
	pages := httptest.NewServer(e.handler)
	defer pages.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: scrapers}}
	defer client.CloseIdleConnections()

	var done atomic.Bool
	var seen sync.Map // the numbers of users that scrapes have shown
	var load sync.WaitGroup
	for range scrapers {
		load.Go(func() {
			for newest := 0; !done.Load(); {
				shown, err := openMetrics(client, pages.URL+"/metrics")
				if err != nil {
					t.Error(err)
					return
				}
				users := usersOf(shown.figures("growing"))
				if n := len(shown.figures("growing")); users < newest || n != complete {
					t.Errorf("%d of %d series, and %d users after %d (-1: not of one moment)", n, complete, users, newest)
					return
				}
				newest = users
				seen.Store(users, true)
			}
		})
	}
	for n := 1; n <= refreshes; n++ {
		tx, err := db.BeginTxx(t.Context(), nil)
		must(t, err)
		for host := range hosts {
			for _, statement := range []string{`INSERT INTO last VALUES ('new%d', 'host%d.example', '1794211200', '')`, `INSERT INTO users (username, server_host, type, password) VALUES ('new%d', 'host%d.example', 1, '')`} {
				_, err = tx.ExecContext(t.Context(), fmt.Sprintf(statement, n, host))
				must(t, err)
			}
		}
		must(t, tx.Commit())
		must(t, e.refresh(t, "growing"))
	}
	done.Store(true)
	load.Wait()
	different := 0
	seen.Range(func(any, any) bool { different++; return true })
	if different < 3 {
		t.Errorf("scrapes have seen %d states of the server alone", different)
	}
}

// openMetrics scrapes as Prometheus does, and makes sure that the answer is
// whole.
func openMetrics(client *http.Client, url string) (series, error) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || !strings.HasSuffix(string(body), "# EOF\n")) {
		err = fmt.Errorf("%s, %d bytes, without end", response.Status, len(body))
	}
	return seriesOf(string(body)), err
}

// usersOf is the one number of users that all series tell, or -1.
func usersOf(figures series) int {
	users := 0
	for name, value := range figures {
		if !strings.HasPrefix(name, "chat_active_users{") && !strings.HasPrefix(name, "chat_registered_users{") {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil || users != 0 && users != int(n) {
			return -1
		}
		users = int(n)
	}
	return users
}
