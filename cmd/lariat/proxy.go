package main

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/lariat-go/websocket/client"
)

// chain is the proxies of --proxy, the nearest one first. given says that the
// environment is not to be asked.
func (f *wireFlags) chain() (chain []*url.URL, given bool, err error) {
	for _, s := range f.proxies {
		if s == "direct" || s == "none" {
			if len(f.proxies) > 1 {
				return nil, false, usage("--proxy direct alone, or the proxies alone", "--proxy %s means no proxy, and there are others", s)
			}
			return nil, true, nil
		}
		u, err := parseProxy(s)
		if err != nil {
			return nil, false, err
		}
		chain = append(chain, u)
	}
	if len(chain) > 0 && f.unix != "" {
		return nil, false, usage("--unix or --proxy", "a unix socket is on this machine: there is no proxy on the way to it")
	}
	return chain, len(chain) > 0, nil
}

// parseProxy reads the URL of a proxy. No error shows its password.
func parseProxy(s string) (*url.URL, error) {
	if !strings.Contains(s, "://") {
		at := s[strings.LastIndexByte(s, '@')+1:]
		hint := "--proxy http://" + at
		if at != s {
			hint = "--proxy http://NAME:PASSWORD@" + at
		}
		return nil, usage(hint, "the proxy %q has no scheme", trim(at, 64))
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return nil, usage("--proxy http://HOST:PORT", "the proxy's URL cannot be used")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return u, nil
	}
	return nil, usage("--proxy with http, https, socks5 or socks5h", "%q is not a kind of proxy", trim(u.Scheme, 64))
}

// proxyFunc is --proxy for [websocket.Dial]: nil leaves the choice to the
// environment.
func (f *wireFlags) proxyFunc() (func(*http.Request) (*url.URL, error), error) {
	chain, given, err := f.chain()
	if err != nil || !given {
		return nil, err
	}
	return func(*http.Request) (*url.URL, error) {
		if len(chain) == 0 {
			return nil, nil
		}
		return chain[0], nil
	}, nil
}

// clientProxies is --proxy for package client or, without it, what the
// environment says about u.
func (f *wireFlags) clientProxies(u *url.URL) ([]client.Proxy, error) {
	chain, given, err := f.chain()
	if err != nil {
		return nil, err
	}
	if !given && f.unix == "" {
		from, err := client.ProxyFromEnvironment(originOf(u))
		if err != nil {
			return nil, usage("--proxy http://HOST:PORT, or --proxy direct for none", "the proxy that the environment names cannot be used")
		}
		return from, nil
	}
	var proxies []client.Proxy
	for _, u := range chain {
		proxies = append(proxies, client.Proxy{URL: u.String()})
	}
	return proxies, nil
}

// httpURL is u with the scheme of HTTP.
func httpURL(u *url.URL) *url.URL {
	to := *u
	switch u.Scheme {
	case "ws":
		to.Scheme = "http"
	case "wss":
		to.Scheme = "https"
	}
	return &to
}
