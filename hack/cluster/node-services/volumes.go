package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// What the volume controller writes on a claim that some provisioner outside of it shall serve,
// and what it wants to read on that provisioner's volumes.
const (
	claimProvisioner  = "volume.beta.kubernetes.io/storage-provisioner"
	volumeProvisioner = "pv.kubernetes.io/provisioned-by"
)

// provisioner makes a folder and a PersistentVolume for each claim, grows it with the claim, and
// removes both once a volume to be deleted is released.
type provisioner struct {
	client  kubernetes.Interface
	claims  corelisters.PersistentVolumeClaimLister
	volumes corelisters.PersistentVolumeLister
	classes storagelisters.StorageClassLister
	name    string
	root    string
	queue   workqueue.RateLimitingInterface
}

// A key names a claim ("namespace/name") or a volume ("name").
func newProvisioner(client kubernetes.Interface, factory informers.SharedInformerFactory, name, root string) *provisioner {
	core := factory.Core().V1()
	p := &provisioner{
		client:  client,
		claims:  core.PersistentVolumeClaims().Lister(),
		volumes: core.PersistentVolumes().Lister(),
		classes: factory.Storage().V1().StorageClasses().Lister(),
		name:    name,
		root:    filepath.Clean(root),
		queue: workqueue.NewRateLimitingQueue(
			workqueue.NewItemExponentialFailureRateLimiter(100*time.Millisecond, 10*time.Second)),
	}
	enqueue := func(object interface{}) {
		if key, err := cache.MetaNamespaceKeyFunc(object); err == nil {
			p.queue.Add(key)
		}
	}
	changed := cache.ResourceEventHandlerFuncs{
		AddFunc:    enqueue,
		UpdateFunc: func(_, object interface{}) { enqueue(object) },
	}
	core.PersistentVolumeClaims().Informer().AddEventHandler(changed)
	core.PersistentVolumes().Informer().AddEventHandler(changed)
	factory.Storage().V1().StorageClasses().Informer()
	return p
}

func (p *provisioner) run(stop <-chan struct{}) {
	go func() {
		<-stop
		p.queue.ShutDown()
	}()
	for {
		key, done := p.queue.Get()
		if done {
			return
		}
		if err := p.reconcile(key.(string)); err != nil {
			log.Printf("volumes: %v: %v; trying again", key, err)
			p.queue.AddRateLimited(key)
		} else {
			p.queue.Forget(key)
		}
		p.queue.Done(key)
	}
}

func (p *provisioner) reconcile(key string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	if namespace == "" {
		volume, err := p.volumes.Get(name)
		if err != nil {
			return ignoreNotFound(err)
		}
		return p.reclaim(ctx, volume)
	}
	claim, err := p.claims.PersistentVolumeClaims(namespace).Get(name)
	if err != nil {
		return ignoreNotFound(err)
	}
	switch {
	case claim.DeletionTimestamp != nil || claim.Annotations[claimProvisioner] != p.name:
		return nil
	case claim.Spec.VolumeName == "":
		return p.provision(ctx, claim)
	default:
		return p.expand(ctx, claim)
	}
}

func (p *provisioner) provision(ctx context.Context, claim *v1.PersistentVolumeClaim) error {
	if claim.Spec.StorageClassName == nil {
		return nil
	}
	class, err := p.classes.Get(*claim.Spec.StorageClassName)
	if err != nil {
		return err
	}
	folder := filepath.Join(p.root, fmt.Sprintf("%s_%s_%s", claim.Namespace, claim.Name, claim.UID))
	if err := os.MkdirAll(folder, 0777); err != nil {
		return err
	}
	// The kubelet gives a hostPath volume no owner, so the pod's user must be able to write as it is.
	if err := os.Chmod(folder, 0777); err != nil {
		return err
	}
	volume := &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name:        "pvc-" + string(claim.UID),
			Annotations: map[string]string{volumeProvisioner: p.name},
		},
		Spec: v1.PersistentVolumeSpec{
			Capacity:                      claim.Spec.Resources.Requests,
			AccessModes:                   claim.Spec.AccessModes,
			PersistentVolumeReclaimPolicy: *class.ReclaimPolicy,
			StorageClassName:              class.Name,
			VolumeMode:                    claim.Spec.VolumeMode,
			PersistentVolumeSource:        v1.PersistentVolumeSource{HostPath: &v1.HostPathVolumeSource{Path: folder}},
			ClaimRef: &v1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
		},
	}
	_, err = p.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// expand says the asked size is there: a folder has as much room as its disk.
func (p *provisioner) expand(ctx context.Context, claim *v1.PersistentVolumeClaim) error {
	asked := claim.Spec.Resources.Requests[v1.ResourceStorage]
	got := claim.Status.Capacity[v1.ResourceStorage]
	if claim.Status.Phase != v1.ClaimBound || asked.Cmp(got) <= 0 {
		return nil
	}
	volume, err := p.volumes.Get(claim.Spec.VolumeName)
	if err != nil {
		return err
	}
	volume = volume.DeepCopy()
	volume.Spec.Capacity = v1.ResourceList{v1.ResourceStorage: asked}
	if _, err := p.client.CoreV1().PersistentVolumes().Update(ctx, volume, metav1.UpdateOptions{}); err != nil {
		return err
	}
	claim = claim.DeepCopy()
	claim.Status.Capacity = v1.ResourceList{v1.ResourceStorage: asked}
	claim.Status.Conditions = nil
	_, err = p.client.CoreV1().PersistentVolumeClaims(claim.Namespace).UpdateStatus(ctx, claim, metav1.UpdateOptions{})
	return err
}

func (p *provisioner) reclaim(ctx context.Context, volume *v1.PersistentVolume) error {
	if volume.Annotations[volumeProvisioner] != p.name ||
		volume.Status.Phase != v1.VolumeReleased ||
		volume.Spec.PersistentVolumeReclaimPolicy != v1.PersistentVolumeReclaimDelete ||
		volume.Spec.HostPath == nil {
		return nil
	}
	folder := filepath.Clean(volume.Spec.HostPath.Path)
	if !strings.HasPrefix(folder, p.root+string(filepath.Separator)) {
		return fmt.Errorf("%s is not below %s", folder, p.root)
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	return ignoreNotFound(p.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{}))
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
