package reports

import (
	"path"
	"slices"
	"strings"
)

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
