package test

import (
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

	"active_users_exporter/collector/benchtest"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/test/leaks"
	"active_users_exporter/test/must"
	"active_users_exporter/test/series"
)

// Ten thousand domains in one server, twenty times as many as 500, take about
// twenty times the processor time to refresh and to scrape, and as much memory: linear, with
// room for noise.
func TestTenThousandDomains(t *testing.T) {
	const few, many, room = domains / 20, domains, 5
	measure := func(hosts int) map[string]float64 {
		path := filepath.Join(t.TempDir(), "ejabberd.db")
		makeSQLite(t, path, ejabberdTables(hosts, 3)...)
		before := leaks.HeapInUse()
		e := newByHand(t, fmt.Sprintf("storage: {path: '%s'}\nservers: [{name: many, software: ejabberd, from: 'sqlite:%s'}]\n", t.TempDir(), path), faultsAt)
		refresh := func() { must.Succeed(t, e.refresh(t, "many")) }
		scrape := func() {
			if n := len(e.scrape(t).Only("chat_active_users{")); n != 3*hosts {
				t.Fatalf("%d series, want %d", n, 3*hosts)
			}
		}
		cost := map[string]float64{"first refresh": seconds(refresh)}
		e.advance(time.Minute)
		cost["refresh"] = min(seconds(refresh), seconds(refresh))
		// One scrape of few domains is too short to be measured, and the first one alone
		// makes the page: as many scrapes share it here as there.
		const scrapes = 20
		cost["scrape"] = seconds(func() {
			for range scrapes {
				scrape()
			}
		}) / scrapes
		cost["memory"] = float64(leaks.HeapInUse() - before)
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

// seconds returns the processor time that an action takes: what else the machine does
// meanwhile does not count.
func seconds(action func()) float64 {
	began := benchtest.ProcessTime()
	action()
	return (benchtest.ProcessTime() - began).Seconds()
}

// A hundred scrapes at a time, during refreshes of records that change: each
// answer is complete, and all of a server's series in it are from one moment.
func TestScrapesDuringRefreshes(t *testing.T) {
	leaks.LeavesNothing(t, scrapesDuringRefreshes)
}

func scrapesDuringRefreshes(t *testing.T) {
	const hosts, scrapers, refreshes = 5, 100, 20
	path := filepath.Join(t.TempDir(), "ejabberd.db")
	makeSQLite(t, path, ejabberdTables(hosts, 1)...)
	db, err := sqldb.CreateSQLite(path)
	must.Succeed(t, err)
	defer func() { _ = db.Close() }()
	e := newByHand(t, "servers: [{name: growing, software: ejabberd, from: 'sqlite:"+path+"'}]\n", faultsAt)
	must.Succeed(t, e.refresh(t, "growing"))
	complete := len(e.scrape(t).Figures("growing"))
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
				users := usersOf(shown.Figures("growing"))
				if n := len(shown.Figures("growing")); users < newest || n != complete {
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
		must.Succeed(t, err)
		for host := range hosts {
			for _, statement := range []string{`INSERT INTO last VALUES ('new%d', 'host%d.example', '1794211200', '')`, `INSERT INTO users (username, server_host, type, password) VALUES ('new%d', 'host%d.example', 1, '')`} {
				_, err = tx.ExecContext(t.Context(), fmt.Sprintf(statement, n, host))
				must.Succeed(t, err)
			}
		}
		must.Succeed(t, tx.Commit())
		must.Succeed(t, e.refresh(t, "growing"))
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
func openMetrics(client *http.Client, url string) (series.Series, error) {
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
	return series.Parse(string(body)), err
}

// usersOf is the one number of users that all series show, or -1.
func usersOf(figures series.Series) int {
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
