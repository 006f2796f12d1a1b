package howto_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/lariat-go/websocket/client"
)

func Example_proxy() {
	o := &client.Options{
		Proxies: []client.Proxy{{URL: "http://user:password@proxy.example.com:3128"}},
	}
	fmt.Println(len(o.Proxies))
	// Output: 1
}

func Example_proxies() {
	o := &client.Options{
		Proxies: []client.Proxy{
			{URL: "https://gate.example.com:443"},
			{URL: "socks5://127.0.0.1:1080"},
		},
	}
	c, err := client.Open("example.com:443", o)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Println(c.Info().Proxies)
	// Output: [https://gate.example.com:443 socks5://127.0.0.1:1080]
}

func Example_proxyFromEnvironment() {
	proxies, err := client.ProxyFromEnvironment("feed.example.com:443")
	fmt.Println(len(proxies) < 2, err)
	// Output: true <nil>
}

// companyTLS returns the settings for a proxy that opens TLS with a certificate
// of the company.
func companyTLS(pem []byte) (*tls.Config, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in the file")
	}
	return &tls.Config{RootCAs: roots}, nil
}

func Example_companyTLS() {
	_, err := companyTLS([]byte("no PEM"))
	fmt.Println(err)
	// Output: no certificate in the file
}
