package reports

import (
	"errors"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
)

// patternHost is the host of a pattern, unless it is an address in brackets.
var patternHost = regexp.MustCompile(`^[A-Za-z0-9.*?-]+$`)

// patternPort is a port, or none.
var patternPort = regexp.MustCompile(`^(:[0-9]{1,5})?$`)

// CheckPattern returns what is wrong with a pattern that no server name could match.
func CheckPattern(pattern string) error {
	host, port := splitPort(pattern)
	if strings.Contains(host, "://") || strings.HasPrefix(port, "//") {
		return errors.New("a URL is no server name: write it as in example.org or *.example.org")
	}
	if !patternPort.MatchString(pattern[len(host):]) {
		return errors.New("the port is no number: a pattern without a port is for all ports")
	}
	if inner, bracketed := strings.CutPrefix(host, "["); bracketed {
		inner, closed := strings.CutSuffix(inner, "]")
		if address, err := netip.ParseAddr(inner); err != nil || !closed || !address.Is6() || address.Zone() != "" {
			return errors.New("brackets are for IPv6 addresses, which are written in full, as in [2001:db8::1]")
		}
		return nil
	}
	if !patternHost.MatchString(host) {
		return errors.New("no pattern of server names: write it as in example.org, *.example.org or [2001:db8::1]")
	}
	return nil
}

// matches returns true if a server name is one of the patterns, or if there are none.
//
// A pattern is a server name, in which * stands for any letters except a port:
// *.example.org is every name below example.org, on any port. A pattern with a port is
// for that port alone. An address is written as the homeserver has it, as in
// [2001:db8::1]:8448. Case does not matter.
func matches(name string, patterns []string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(pattern string) bool { return matchesOne(name, strings.ToLower(pattern)) })
}

func matchesOne(name, pattern string) bool {
	host, port := splitPort(name)
	wantedHost, wantedPort := splitPort(pattern)
	if wantedPort != "" && wantedPort != port {
		return false
	}
	if strings.HasPrefix(wantedHost, "[") { // brackets are no set of letters here
		return wantedHost == host
	}
	ok, err := path.Match(wantedHost, host)
	return ok && err == nil
}

// splitPort splits a server name. The port is "" if it has none.
func splitPort(name string) (host, port string) {
	i := strings.LastIndexByte(name, ':')
	if i < 0 || strings.HasSuffix(name, "]") {
		return name, ""
	}
	return name[:i], name[i+1:]
}
