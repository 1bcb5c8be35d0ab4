package config

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/units"
	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/reports"
	"active_users_exporter/config/document"
)

// Reports says how usage reports are received.
type Reports struct {
	// ListenAddress is host:port, "" to receive nothing.
	ListenAddress string
	reports.Settings
}

func defaultReports() Reports {
	return Reports{Settings: reports.Settings{
		MaxHomeservers: 1000,
		ExpireAfter:    24 * time.Hour,
		MaxStore:       defaultMaxStore,
		// A proxy on the same machine.
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
	}}
}

// defaultMaxStore holds a year of reports of a thousand homeservers.
const defaultMaxStore = 4 << 30

// mostHomeservers keeps /metrics bearable.
const mostHomeservers = 100_000

// reports reads how usage reports are received.
func (f *file) reports(n *yaml.Node, r *Reports) {
	values := f.Mapping(n, "reports", "listen_address", "tokens", "allowed_homeservers", "max_homeservers", "expire_after", "trusted_proxies", "forward_to", "max_store", "geoip_database")
	for _, key := range document.Keys(values) {
		switch n := values[key]; key {
		case "listen_address":
			r.ListenAddress = f.listenAddress(n)
		case "tokens":
			for _, item := range f.List(n, key) {
				r.Tokens = append(r.Tokens, f.token(item))
			}
		case "allowed_homeservers":
			r.Allowed = f.patterns(n, key)
		case "max_homeservers":
			r.MaxHomeservers = f.maxHomeservers(n)
		case "expire_after":
			r.ExpireAfter = f.Duration(n, key)
		case "trusted_proxies":
			r.TrustedProxies = nil
			for _, item := range f.List(n, key) {
				r.TrustedProxies = append(r.TrustedProxies, f.prefix(item))
			}
		case "forward_to":
			r.ForwardTo = f.forwardTo(n)
		case "geoip_database":
			r.GeoIPDatabase = f.Path(n, key)
			if err := reports.CheckLocations(r.GeoIPDatabase); err != nil {
				f.Problem(n, "geoip_database: %s", err)
			}
		case "max_store":
			r.MaxStore = f.maxStore(n)
		}
	}
}

// listenAddress returns the address to listen on, "" for none.
func (f *file) listenAddress(n *yaml.Node) string {
	address := f.Text(n, "listen_address")
	if err := CheckAddress(address); err != nil && address != "" {
		f.Problem(n, "listen_address: %q: %s", address, err)
	}
	return address
}

// minMaxStore holds some days of reports of some homeservers.
const minMaxStore = 1 << 20

// maxStore reads a size such as 1GiB.
func (f *file) maxStore(n *yaml.Node) int64 {
	text := f.Text(n, "max_store")
	size, err := units.ParseStrictBytes(text)
	if err != nil || size < minMaxStore {
		f.Problem(n, "max_store: %q is no size: write it as in 512MiB or 1GiB; the least is 1MiB", text)
	}
	return size
}

func (f *file) maxHomeservers(n *yaml.Node) int {
	number, err := strconv.Atoi(f.Text(n, "max_homeservers"))
	if err != nil || number < 1 || number > mostHomeservers {
		f.Problem(n, "max_homeservers: want a number from 1 to %d", mostHomeservers)
	}
	return number
}

func (f *file) forwardTo(n *yaml.Node) string {
	location := f.Text(n, "forward_to")
	if u, err := url.Parse(location); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		f.Problem(n, "forward_to: want a URL such as https://matrix.org/report-usage-stats/push")
	}
	return location
}

// token reads one item of tokens. The secret itself is in a file.
func (f *file) token(n *yaml.Node) (t reports.Token) {
	values := f.Mapping(n, "a token", "token_file", "token", "homeservers")
	switch {
	case (values["token_file"] == nil) == (values["token"] == nil):
		f.Problem(n, "a token needs either token_file, the file that it is in, or token")
		return t
	case values["token"] != nil:
		t.Secret = f.Text(values["token"], "token")
	default:
		file := document.Below(f.Folder(), f.Text(values["token_file"], "token_file"))
		content, err := document.ReadFile(file)
		if err != nil {
			f.Problem(values["token_file"], "token_file: %s", err)
			return t
		}
		t.Secret = strings.TrimSpace(string(content))
	}
	if t.Secret == "" {
		f.Problem(n, "the token is empty")
	}
	if values["homeservers"] != nil {
		t.Homeservers = f.patterns(values["homeservers"], "homeservers")
	}
	return t
}

// patterns reads patterns of homeservers' names.
func (f *file) patterns(n *yaml.Node, key string) (patterns []string) {
	for _, item := range f.List(n, key) {
		pattern := f.Text(item, key)
		if err := reports.CheckPattern(pattern); err != nil {
			f.Problem(item, "%s: %q: %s", key, pattern, err)
		}
		patterns = append(patterns, pattern)
	}
	return patterns
}

func (f *file) prefix(n *yaml.Node) netip.Prefix {
	text := f.Text(n, "trusted_proxies")
	if address, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(address, address.BitLen())
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		f.Problem(n, "trusted_proxies: %q is no address: write it as in 10.0.0.1 or 10.0.0.0/8", text)
	}
	return prefix
}

// CheckAddress says whether something can listen on an address, as far as its
// text shows.
func CheckAddress(address string) error {
	const most = 65535
	_, port, err := net.SplitHostPort(address)
	n, notNumber := strconv.Atoi(port) // else it is the name of a service
	if err != nil || port == "" || notNumber == nil && (n < 0 || n > most) {
		return errors.New("no address: write it as in 127.0.0.1:10053")
	}
	return nil
}
