"""Images of a Kubernetes node through CRI, so that the kubelet sees, uses and collects what is made ready here."""

from collections.abc import Callable

from .containerd_api import cri_pb2
from .grpc_client import GrpcClient

_IMAGES = "/runtime.v1.ImageService"
_PULL_S = 1800


class CriImages:
    """The image side of an engine; see `engine.Engine`.

    Args:
        login: user and password for the registry, asked before each pull; None where it needs none.
    """

    def __init__(self, client: GrpcClient, login: Callable[[], tuple[str, str] | None]) -> None:
        self._cri = client
        self._login = login

    def pull(self, registry: str, repository: str, digest: str) -> None:
        """Make an image ready. Raises Unavailable when it cannot be pulled."""
        request = cri_pb2.PullImageRequest(image=cri_pb2.ImageSpec(image=f"{registry}/{repository}@{digest}"))
        if (login := self._login()) is not None:
            request.auth.username, request.auth.password = login
        self._cri.ask(f"{_IMAGES}/PullImage", request, cri_pb2.PullImageResponse, _PULL_S)

    def local_images(self, registry: str) -> dict[str, str]:
        """``repository@digest`` → image id of every local image that came from `registry`."""
        answer = self._cri.ask(f"{_IMAGES}/ListImages", cri_pb2.ListImagesRequest(), cri_pb2.ListImagesResponse)
        return {
            str(name).removeprefix(f"{registry}/"): str(image.id)
            for image in answer.images
            for name in image.repo_digests
            if name.startswith(f"{registry}/")
        }

    def used_images(self) -> frozenset[str]:
        """Ids of images that any container uses, dead ones included."""
        method = "/runtime.v1.RuntimeService/ListContainers"
        answer = self._cri.ask(method, cri_pb2.ListContainersRequest(), cri_pb2.ListContainersResponse)
        return frozenset(str(each.image_ref) for each in answer.containers)

    def forget_image(self, registry: str, reference: str) -> None:
        """Drop an image; nothing happens when it is gone already."""
        request = cri_pb2.RemoveImageRequest(image=cri_pb2.ImageSpec(image=f"{registry}/{reference}"))
        self._cri.ask(f"{_IMAGES}/RemoveImage", request, cri_pb2.RemoveImageResponse)
