package main

import (
	"bytes"
	"fmt"
	"io/ioutil"
	"log"
	"os"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// settle is how long further changes are gathered before the hosts file is written.
const settle = 50 * time.Millisecond

// nameServer keeps a hosts file in step with Services and Endpoints.
type nameServer struct {
	services   listers.ServiceLister
	endpoints  listers.EndpointsLister
	domain     string
	hosts      string
	dnsmasqPid string
	changed    chan struct{}
	written    []byte
}

func newNameServer(factory informers.SharedInformerFactory, domain, hosts, dnsmasqPid string) *nameServer {
	core := factory.Core().V1()
	n := &nameServer{
		services:   core.Services().Lister(),
		endpoints:  core.Endpoints().Lister(),
		domain:     domain,
		hosts:      hosts,
		dnsmasqPid: dnsmasqPid,
		changed:    make(chan struct{}, 1),
	}
	notice := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(interface{}) { n.notice() },
		UpdateFunc: func(interface{}, interface{}) { n.notice() },
		DeleteFunc: func(interface{}) { n.notice() },
	}
	core.Services().Informer().AddEventHandler(notice)
	core.Endpoints().Informer().AddEventHandler(notice)
	return n
}

func (n *nameServer) notice() {
	select {
	case n.changed <- struct{}{}:
	default: // a write is already due
	}
}

func (n *nameServer) run(stop <-chan struct{}) {
	n.notice()
	for {
		select {
		case <-stop:
			return
		case <-n.changed:
		}
		time.Sleep(settle)
		if err := n.publish(); err != nil {
			log.Printf("DNS: %v; trying again", err)
			time.AfterFunc(time.Second, n.notice)
		}
	}
}

func (n *nameServer) publish() error {
	services, err := n.services.List(labels.Everything())
	if err != nil {
		return err
	}
	var lines []string
	for _, service := range services {
		endpoints, err := n.endpoints.Endpoints(service.Namespace).Get(service.Name)
		if err != nil {
			endpoints = &v1.Endpoints{}
		}
		lines = append(lines, hostLines(service, endpoints, n.domain)...)
	}
	sort.Strings(lines)
	content := []byte(strings.Join(lines, ""))
	if n.written != nil && bytes.Equal(content, n.written) {
		return nil
	}
	if err := replaceFile(n.hosts, content); err != nil {
		return err
	}
	if err := signalDnsmasq(n.dnsmasqPid); err != nil {
		return err
	}
	n.written = content
	return nil
}

// hostLines answers the lines of one Service. A pod's own name comes before the Service's on its
// line because the first name is what a reverse lookup answers.
func hostLines(service *v1.Service, endpoints *v1.Endpoints, domain string) []string {
	name := fmt.Sprintf("%s.%s.svc.%s", service.Name, service.Namespace, domain)
	switch service.Spec.ClusterIP {
	case "":
		return nil // ExternalName: a hosts file holds no aliases
	case v1.ClusterIPNone:
	default:
		return []string{fmt.Sprintf("%s %s\n", service.Spec.ClusterIP, name)}
	}
	var lines []string
	for _, subset := range endpoints.Subsets {
		addresses := subset.Addresses
		if service.Spec.PublishNotReadyAddresses {
			addresses = append(append([]v1.EndpointAddress{}, addresses...), subset.NotReadyAddresses...)
		}
		for _, address := range addresses {
			host := address.Hostname
			if host == "" {
				host = strings.ReplaceAll(address.IP, ".", "-")
			}
			lines = append(lines, fmt.Sprintf("%s %s.%s %s\n", address.IP, host, name, name))
		}
	}
	return lines
}

// replaceFile writes beside the file and renames, so that dnsmasq never reads half of it.
func replaceFile(path string, content []byte) error {
	next := path + ".next"
	if err := ioutil.WriteFile(next, content, 0644); err != nil {
		return err
	}
	return os.Rename(next, path)
}

func signalDnsmasq(pidFile string) error {
	text, err := ioutil.ReadFile(pidFile)
	if err != nil {
		return err
	}
	fields := strings.Fields(string(text))
	if len(fields) == 0 {
		return fmt.Errorf("%s holds no process id", pidFile)
	}
	pid, err := strconv.Atoi(fields[0])
	if err != nil {
		return fmt.Errorf("%s holds no process id: %v", pidFile, err)
	}
	return syscall.Kill(pid, syscall.SIGHUP)
}
