// Command node-services gives the single-node cluster what no Debian package does: cluster DNS
// (as a hosts file for dnsmasq) and volumes for claims (as folders of the node).
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"sort"
	"syscall"
	"time"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "kubeconfig of a cluster administrator")
	domain := flag.String("domain", "cluster.local", "the cluster's DNS domain")
	hosts := flag.String("hosts", "", "hosts file to keep for dnsmasq")
	dnsmasqPid := flag.String("dnsmasq-pid-file", "", "file that holds the process id of dnsmasq")
	provisioner := flag.String("provisioner", "", "storage provisioner to answer for")
	volumes := flag.String("volumes", "", "folder below which volumes are made")
	lookup := flag.String("lookup", "", "only ask for this name's addresses, print them, and end")
	server := flag.String("server", "", "with -lookup: the DNS server to ask, as host:port")
	flag.Parse()
	if *lookup != "" {
		printAddresses(*lookup, *server)
		return
	}

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Fatalf("kubeconfig %s: %v", *kubeconfig, err)
	}
	config.QPS, config.Burst = 200, 400
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Fatalf("client: %v", err)
	}

	stop := make(chan struct{})
	factory := informers.NewSharedInformerFactory(client, 0)
	names := newNameServer(factory, *domain, *hosts, *dnsmasqPid)
	claims := newProvisioner(client, factory, *provisioner, *volumes)
	factory.Start(stop)
	factory.WaitForCacheSync(stop)
	go names.run(stop)
	go claims.run(stop)

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	<-signals
	close(stop)
}

// printAddresses shows what a pod would be told; it ends the program when there is no answer.
func printAddresses(name, server string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	resolver := net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server)
		},
	}
	addresses, err := resolver.LookupHost(ctx, name+".")
	if err != nil {
		log.Fatal(err)
	}
	sort.Strings(addresses)
	for _, address := range addresses {
		fmt.Println(address)
	}
}
