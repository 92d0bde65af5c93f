"""The project's clips: a picture, a name, where each stands, and a place to drop new videos."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QMimeData,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QFont,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import (
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from annotations.records import ClipRecord
from app.clip_titles import clip_titles
from app.icons import paint_icon
from app.theme import theme, with_alpha
from app.thumbnails import Thumbnails
from app.tokens import Tokens, mixed
from app.view_state import ViewState

Index = QModelIndex | QPersistentModelIndex
CLIP = Qt.ItemDataRole.UserRole
ROW_HEIGHT, PICTURE, SMALL_PICTURE = 62, QSize(80, 45), QSize(48, 27)
NARROW = 195
"""Pixels of a row below which names need the picture's room."""
STATUS_LOOKS = {
    "new": ("text_muted", "clip"),
    "detected": ("text_muted", "people"),
    "fitted": ("accent", "person"),
    "accepted": ("success", "accept"),
    "sent back": ("warning", "send-back"),
    "unusable": ("danger", "unusable"),
}
"""Status -> token of its colour, icon: never colour alone."""


def length_words(clip: ClipRecord) -> str:
    """How long a clip is, e.g. "6.6 s · 200 frames" or "2:05 · 3750 frames"."""
    video = clip.video
    seconds = float(video.times[-1]) + 1 / video.fps if video.frame_count else 0.0
    spoken = f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)}:{int(seconds % 60):02d}"
    return f"{spoken} · {video.frame_count} frames"


class ClipModel(QAbstractListModel):
    """The clips of a view state as rows."""

    def __init__(self, view_state: ViewState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view_state = view_state
        self._clips = view_state.clips
        self._titles = clip_titles(self._clips)
        view_state.clips_changed.connect(self._on_clips_changed)

    def _on_clips_changed(self) -> None:
        clips = self._view_state.clips
        self._titles = clip_titles(clips)
        if [clip.id for clip in clips] == [clip.id for clip in self._clips]:
            self._clips = clips
            if clips:
                self.dataChanged.emit(self.index(0), self.index(len(clips) - 1))
            return
        self.beginResetModel()
        self._clips = clips
        self.endResetModel()

    def rowCount(self, parent: Index | None = None) -> int:
        return len(self._clips)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        clip = self._clips[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._titles[clip.id]
        if role == Qt.ItemDataRole.ToolTipRole:
            title, path = self._titles[clip.id], clip.video.path
            return f"{title}\n{length_words(clip)}, {clip.status}\n{path}"
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{self._titles[clip.id]}, {clip.status}, {length_words(clip)}"
        return clip if role == CLIP else None

    def row_of(self, clip_id: int | None) -> int | None:
        return next((row for row, clip in enumerate(self._clips) if clip.id == clip_id), None)

    def row_of_video(self, sha256: str) -> list[int]:
        return [row for row, clip in enumerate(self._clips) if clip.video.sha256 == sha256]


class ClipDelegate(QStyledItemDelegate):
    """Paints a clip's row."""

    def __init__(self, thumbnails: Thumbnails, parent: QWidget) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(200, ROW_HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        clip: ClipRecord = index.data(CLIP)
        tokens = theme().tokens
        row = QRectF(option.rect).adjusted(tokens.space_1, 2, -tokens.space_1, -2)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_ground(painter, row, option, tokens)
        size = PICTURE if row.width() >= NARROW else SMALL_PICTURE
        corner = QPointF(row.left() + tokens.space_2, row.center().y() - size.height() / 2)
        self._paint_picture(painter, QRectF(corner, size), clip, tokens)
        left = corner.x() + size.width() + tokens.space_2
        words = QRectF(left, row.top() + 9, row.right() - left - tokens.space_2, 18)
        font = QFont(option.font)
        font.setPixelSize(tokens.text_normal)
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(tokens.text))
        name = painter.fontMetrics().elidedText(
            index.data(), Qt.TextElideMode.ElideMiddle, int(words.width())
        )
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, name)
        self._paint_status(painter, words.translated(0, 21), clip, tokens)
        painter.restore()

    def _paint_ground(
        self, painter: QPainter, row: QRectF, option: QStyleOptionViewItem, tokens: Tokens
    ) -> None:
        state, flag = option.state, QStyle.StateFlag
        if state & flag.State_Selected:
            painter.setBrush(QColor(mixed(tokens.surface, tokens.accent, 0.2)))
            painter.setPen(QPen(QColor(tokens.accent), 1))
        elif state & flag.State_MouseOver:
            painter.setBrush(QColor(tokens.hover))
            painter.setPen(Qt.PenStyle.NoPen)
        else:
            return
        painter.drawRoundedRect(row.adjusted(0.5, 0.5, -0.5, -0.5), tokens.radius, tokens.radius)

    def _paint_picture(
        self, painter: QPainter, area: QRectF, clip: ClipRecord, tokens: Tokens
    ) -> None:
        shape = QPainterPath()
        shape.addRoundedRect(area, tokens.radius_small, tokens.radius_small)
        image = self._thumbnails.get(clip.video)
        painter.fillPath(shape, QColor(tokens.pressed))
        if image is None:
            glyph = QRectF(area.center() - QPointF(10, 10), QSize(20, 20))
            paint_icon(painter, glyph, "clip", QColor(tokens.text_muted))
            return
        painter.save()
        painter.setClipPath(shape)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(area, image)
        painter.restore()

    def _paint_status(
        self, painter: QPainter, line: QRectF, clip: ClipRecord, tokens: Tokens
    ) -> None:
        token, glyph = STATUS_LOOKS[clip.status]
        color = getattr(tokens, token)
        font = QFont(painter.font())
        font.setPixelSize(tokens.text_small)
        font.setWeight(QFont.Weight.Normal)
        painter.setFont(font)
        width = painter.fontMetrics().horizontalAdvance(clip.status) + 27
        chip = QRectF(line.left(), line.top(), width, 17)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(with_alpha(color, 0.16))
        painter.drawRoundedRect(chip, 8.5, 8.5)
        icon = QRectF(chip.left() + 6, chip.top() + 2.5, 12, 12)
        paint_icon(painter, icon, glyph, QColor(color))
        painter.setPen(QColor(color))
        words = chip.adjusted(21, 0, 0, 0)
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, clip.status)
        painter.setPen(QColor(tokens.text_muted))
        rest = QRectF(chip.right() + 8, line.top(), line.right() - chip.right() - 8, 17)
        length = length_words(clip)
        if painter.fontMetrics().horizontalAdvance(length) > rest.width():
            length = length.split(" · ")[0]
        if painter.fontMetrics().horizontalAdvance(length) > rest.width():
            return
        painter.drawText(rest, Qt.AlignmentFlag.AlignVCenter, length)


class ClipBrowser(QListView):
    """The list. Choosing a row shows the clip; files dropped on it are offered for import."""

    files_dropped = Signal(list)
    """Paths of the local files and folders that were dropped."""
    import_requested = Signal()
    """A click on the empty list."""

    def __init__(self, view_state: ViewState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view_state = view_state
        self._is_drop_near = False
        self.thumbnails = Thumbnails(self)
        self._model = ClipModel(view_state, self)
        self.setModel(self._model)
        self.setItemDelegate(ClipDelegate(self.thumbnails, self))
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAcceptDrops(True)
        self.setMinimumWidth(200)
        self.setAccessibleName("Clips")
        self.thumbnails.ready.connect(self._on_thumbnail_ready)
        self._model.modelReset.connect(self._show_current)
        view_state.clip_id_changed.connect(self._on_clip_id_changed)
        self.selectionModel().currentChanged.connect(self._on_row_chosen)
        theme().changed.connect(self.viewport().update)
        self._show_current()

    def _on_clip_id_changed(self, _: int | None) -> None:
        self._show_current()

    def _show_current(self) -> None:
        row = self._model.row_of(self._view_state.clip_id)
        if row is None:
            self.selectionModel().clear()
        elif self.currentIndex().row() != row:
            self.setCurrentIndex(self._model.index(row))

    def _on_row_chosen(self, current: QModelIndex, _: QModelIndex) -> None:
        if current.isValid():
            self._view_state.clip_id = current.data(CLIP).id

    def _on_thumbnail_ready(self, sha256: str) -> None:
        for row in self._model.row_of_video(sha256):
            self.update(self._model.index(row))

    # -- the empty list, and dropping -----------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        is_empty = self._model.rowCount() == 0
        if not is_empty and not self._is_drop_near:
            return
        tokens = theme().tokens
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(self.viewport().rect()).adjusted(12, 12, -12, -12)
        color = QColor(tokens.accent if self._is_drop_near else tokens.border)
        painter.setPen(QPen(color, 1.5, Qt.PenStyle.DashLine))
        painter.setBrush(
            with_alpha(tokens.accent, 0.1) if self._is_drop_near else QColor(0, 0, 0, 0)
        )
        painter.drawRoundedRect(area, tokens.radius_large, tokens.radius_large)
        if is_empty:
            self._paint_empty(painter, area, tokens)
        painter.end()

    def _paint_empty(self, painter: QPainter, area: QRectF, tokens: Tokens) -> None:
        glyph = QRectF(area.center().x() - 20, area.center().y() - 58, 40, 40)
        paint_icon(painter, glyph, "import", QColor(tokens.text_muted))
        font = QFont(self.font())
        font.setPixelSize(tokens.text_normal)
        painter.setFont(font)
        painter.setPen(QColor(tokens.text))
        words = area.adjusted(12, area.height() / 2 - 6, -12, 0)
        center = Qt.AlignmentFlag.AlignHCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(words, center, "Drop a video here\nor press Ctrl+I")

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        if self._model.rowCount() == 0 and event.button() == Qt.MouseButton.LeftButton:
            self.import_requested.emit()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if _local_paths(event.mimeData()):
            event.acceptProposedAction()
            self._set_drop_near(True)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        if _local_paths(event.mimeData()):
            event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._set_drop_near(False)

    def dropEvent(self, event: QDropEvent) -> None:
        self._set_drop_near(False)
        paths = _local_paths(event.mimeData())
        if paths:
            event.acceptProposedAction()
            self.files_dropped.emit(paths)

    def _set_drop_near(self, is_near: bool) -> None:
        self._is_drop_near = is_near
        self.viewport().update()


def _local_paths(data: QMimeData) -> list[str]:
    return [url.toLocalFile() for url in data.urls() if url.isLocalFile()]
